import type { Problem } from '../shared/errors.ts';

/** Where the cause of a code lies and what to do, for refusals that name nothing more exact themselves. */
const MENDS: Record<string, Required<Problem>> = {
  APPROVAL_DECIDED: {
    path: 'id',
    message: 'somebody has decided already',
    mend: 'see who and how with GET /api/approvals/{id}',
  },
  APPROVAL_EXPIRED: {
    path: 'id',
    message: 'nobody decided in time',
    mend: 'have it asked anew: POST /api/runs/{id}/retry, or for a plan POST /api/plans/{id}/replan',
  },
  APPROVAL_NOT_IN_GROUP: {
    path: 'by',
    message: 'is in none of the groups that decide',
    mend: 'have a member decide; the groups stand in GET /api/approvals/{id}, their members in APPROVAL_GROUPS',
  },
  APPROVAL_SELF: { path: 'by', message: 'is who requested it', mend: 'have somebody else decide' },
  APPROVAL_WITHDRAWN: {
    path: 'id',
    message: 'the run that asked has ended',
    mend: 'nothing; look at the run with GET /api/runs/{id}',
  },
  BODY_INCOMPLETE: {
    path: '',
    message: 'the body broke off, or is not encoded as its headers say',
    mend: 'send it again; check Content-Length and Content-Encoding',
  },
  BODY_TOO_LARGE: { path: '', message: 'the body is larger than 1 MiB', mend: 'send at most 1,048,576 bytes' },
  CAMPAIGN_BUSY: { path: 'id', message: 'the campaign is being changed by others', mend: 'send the request again' },
  CAMPAIGN_PAUSED: {
    path: 'force',
    message: 'the campaign is paused',
    mend: 'resume it with PUT /api/campaigns/{id}/resume, or send {"force": true} to run it once',
  },
  HEADERS_TOO_LARGE: { path: 'headers', message: 'are larger than 16 KiB', mend: 'send fewer or shorter headers' },
  IDEMPOTENCY_IN_PROGRESS: {
    path: 'headers.idempotency-key',
    message: 'the first request with this key is still going on',
    mend: 'wait as long as Retry-After says and send it again',
  },
  INSUFFICIENT_SCOPE: {
    path: 'headers.authorization',
    message: 'the scope of the key does not reach',
    mend: 'send a key of the scope that the message names',
  },
  KNOWLEDGE_CANCELLED: {
    path: 'id',
    message: 'the file was cancelled while it came in',
    mend: 'send it again, if it is wanted',
  },
  KNOWLEDGE_FINISHED: {
    path: 'id',
    message: 'the work on the file has ended',
    mend: 'remove it with DELETE /api/knowledge/ingests/{id}, if its facts are not wanted',
  },
  KNOWLEDGE_NO_SPACE: {
    path: 'mode',
    message: 'no fact has a vector of the present embedding model yet',
    mend: 'search with mode=words, or wait until GET /api/knowledge shows vectors',
  },
  KNOWLEDGE_TOO_LARGE: {
    path: '',
    message: 'the file has more than 30,000 lines or 50 MiB',
    mend: 'cut it into several files of the same collection',
  },
  MALFORMED_JSON: { path: '', message: 'the body is not JSON in UTF-8', mend: 'send JSON in UTF-8' },
  MALFORMED_PATH: { path: '', message: 'the path is not %-encoded as it has to be', mend: 'write % itself as %25' },
  MALFORMED_REQUEST: { path: '', message: 'this is not HTTP/1.1', mend: 'check the client, or what stands in between' },
  MOVE_CHANGED: {
    path: 'version',
    message: 'is not the version of the move any more',
    mend: 'read the move with GET /api/moves/{id}, and send the change with its version',
  },
  MOVE_DEPENDENCIES_OPEN: {
    path: 'state',
    message: 'what the move depends on is not done',
    mend: 'do that first, or send "force": true',
  },
  MOVE_TRANSITION_ILLEGAL: {
    path: 'state',
    message: 'cannot follow the state that the move has',
    mend: 'send one of `mayBecome` of GET /api/moves/{id}',
  },
  NOTHING_TO_RETRY: {
    path: 'from',
    message: 'every step of the run completed',
    mend: 'send {"from": "start"} to run all steps again',
  },
  PLAN_ACTIVE: {
    path: 'id',
    message: 'the plan has an approved arc, or has ended',
    mend: 'change the arc with POST /api/plans/{id}/pivots; have rejected moves asked anew with POST /api/runs/{id}/retry',
  },
  PLAN_NOT_ACTIVE: {
    path: 'id',
    message: 'the plan has no approved arc, or has ended',
    mend: 'wait for the approval, or plan again with POST /api/plans/{id}/replan',
  },
  RATE_LIMITED: {
    path: '',
    message: 'too many requests in this minute',
    mend: 'wait as long as Retry-After says, or raise RATE_LIMIT_PER_MINUTE',
  },
  REQUEST_TIMEOUT: { path: '', message: 'the request arrived too slowly', mend: 'send it again' },
  ROUTE_NOT_FOUND: { path: '', message: 'the path leads nowhere', mend: 'find the paths with GET /openapi.json' },
  RUN_ACTIVE: {
    path: 'id',
    message: 'an earlier run of the campaign is still active',
    mend: 'wait for it, cancel it with POST /api/runs/{id}/cancel, or set overlap to "queue" or "allow"',
  },
  RUN_FINISHED: {
    path: 'id',
    message: 'the run has ended',
    mend: 'start it again with POST /api/runs/{id}/retry, if it is to be done again',
  },
  RUN_NOT_FINISHED: {
    path: 'id',
    message: 'the run has not ended',
    mend: 'wait for its end, or cancel it with POST /api/runs/{id}/cancel',
  },
  RUN_NOT_WAITING: {
    path: 'id',
    message: 'the run is still going on',
    mend: 'decide when GET /api/runs/{id} shows that it waits or has ended',
  },
  RUN_QUEUE_FULL: {
    path: 'id',
    message: 'too many runs of the campaign are waiting',
    mend: 'wait for some of them, or cancel them; list them with GET /api/campaigns/{id}/runs?status=queued',
  },
  STEP_NOT_UNKNOWN: {
    path: 'name',
    message: 'it is known what became of the step',
    mend: 'look at the step with GET /api/runs/{id}',
  },
  STEP_UNKNOWN: {
    path: 'id',
    message: 'it is not known whether a step of the run was done',
    mend: 'say so first with POST /api/runs/{id}/steps/{name}/resolve',
  },
  UNAUTHENTICATED: {
    path: 'headers.authorization',
    message: 'holds no key that is known',
    mend: 'send Authorization: Bearer <key> with a key of API_KEYS',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    path: 'headers.content-type',
    message: 'is not JSON in UTF-8, or its encoding is not supported',
    mend: 'send Content-Type: application/json, and no Content-Encoding but gzip, deflate or br',
  },
};

/** What is told of a refusal: its own details, or those that its code implies. */
export function detailsOf({ code, details }: { code: string; details: Problem[] }): Problem[] {
  const implied = Object.hasOwn(MENDS, code) ? MENDS[code] : undefined;
  return details.length > 0 || implied === undefined ? details : [implied];
}
