import { AsyncLocalStorage } from 'node:async_hooks';
import type { Fetch } from './vertex-transport.ts';

const taken = new AsyncLocalStorage<Fetch>();
let original: Fetch | null = null;
let users = 0;

/** Everything outside of a detour goes on as if this were not here. */
const detour: Fetch = (input, init) => (taken.getStore() ?? (original as Fetch))(input, init);

/**
 * For a library that calls the global `fetch` and takes no other. From {@link install} on, requests made within {@link via} go to
 * another fetch, and all others to the global one as before.
 */
export const fetchDetour = {
  /** Returns what takes the detour away again, once nobody else uses it. */
  install(): () => void {
    // Still set when somebody wrapped the detour: it is on the way already, and put in twice it would call itself.
    if (original === null) {
      original = globalThis.fetch;
      globalThis.fetch = detour;
    }
    users += 1;
    let installed = true;
    return () => {
      if (!installed) return;
      installed = false;
      users -= 1;
      if (users > 0 || globalThis.fetch !== detour) return;
      globalThis.fetch = original as Fetch;
      original = null;
    };
  },
  via: <T>(fetch: Fetch, call: () => Promise<T>): Promise<T> => taken.run(fetch, call),
};
