import type { GoogleAuth } from 'google-auth-library';
import { messageOf } from '../../shared/errors.ts';
import { isLoopback } from '../../shared/origins.ts';
import { ModelError } from '../model.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/** Gives the headers that authorize a request. */
export interface Credentials {
  /** Rejects with any error when there are none; {@link credentialsFailure} reads it. */
  headers(): Promise<Record<string, string>>;
}

const MEND =
  'run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file with the role Vertex AI User';

/** The authorization of nobody, for a stand-in on this machine. */
const localCredentials: Credentials = { headers: () => Promise.resolve({ authorization: 'Bearer local' }) };

/** Application Default Credentials, looked up at the first call and kept; the library renews the token. */
function defaultCredentials(projectId: string): Credentials {
  let auth: Promise<GoogleAuth> | undefined;
  return {
    async headers() {
      // Loaded by those alone who call a model. With the project it need not ask the network which one the credentials are of.
      auth ??= import('google-auth-library').then(({ GoogleAuth }) => new GoogleAuth({ scopes: SCOPE, projectId }));
      return Object.fromEntries(await (await auth).getRequestHeaders());
    },
  };
}

/** MODEL_UNAVAILABLE where a token could not be fetched now, MODEL_REJECTED where credentials are missing or refused. */
export function credentialsFailure(cause: unknown): ModelError {
  const passing = /ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|socket hang up|timeout|status code 5/i;
  const { code } = typeof cause === 'object' && cause !== null && 'code' in cause ? cause : { code: '' };
  const why = messageOf(cause).slice(0, 300);
  return passing.test(`${String(code)} ${why}`)
    ? new ModelError('MODEL_UNAVAILABLE', `No token could be fetched: ${why}`, { retryable: true, cause })
    : new ModelError('MODEL_REJECTED', `There are no usable Google Cloud credentials: ${why} Mend: ${MEND}.`, {
        cause,
      });
}

/** Those of the environment; none, and nothing looked up, for an address on this machine. */
export function credentialsFor(baseUrl: string, project: string): Credentials {
  return isLoopback(new URL(baseUrl).hostname) ? localCredentials : defaultCredentials(project);
}
