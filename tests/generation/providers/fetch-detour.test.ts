import { expect, test } from '@jest/globals';
import { fetchDetour } from '../../../generation/providers/fetch-detour.ts';

const original = globalThis.fetch;
const text = async (url: string) => (await globalThis.fetch(url)).text();
const elsewhere = () => Promise.resolve(new Response('elsewhere'));

test('only what is called within goes another way', async () => {
  const remove = fetchDetour.install();
  const [within, outside] = await Promise.all([
    fetchDetour.via(elsewhere, () => text('data:,here')),
    text('data:,here'),
  ]);
  expect([within, outside]).toEqual(['elsewhere', 'here']);
  remove();
  expect(globalThis.fetch).toBe(original);
});

test('it stays until the last user removes it, and a second removal changes nothing', async () => {
  const [first, second] = [fetchDetour.install(), fetchDetour.install()];
  first();
  first();
  expect(await fetchDetour.via(elsewhere, () => text('data:,here'))).toBe('elsewhere');
  second();
  expect(globalThis.fetch).toBe(original);
});

test('a wrapper that somebody put round it goes on working, before and after a new installation', async () => {
  const remove = fetchDetour.install();
  const inner = globalThis.fetch;
  const wrapper: typeof fetch = (input, init) => inner(input, init);
  globalThis.fetch = wrapper;
  remove();
  expect(globalThis.fetch).toBe(wrapper);
  expect(await text('data:,here')).toBe('here');
  const removeAgain = fetchDetour.install();
  expect(await text('data:,here')).toBe('here');
  expect(await fetchDetour.via(elsewhere, () => text('data:,here'))).toBe('elsewhere');
  globalThis.fetch = inner;
  removeAgain();
  expect(globalThis.fetch).toBe(original);
});
