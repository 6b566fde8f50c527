// Test files that start whole services take longest and mostly wait, so they come first: at the end, one of them would run alone.
// By size, as Jest goes by where it knows no times, they would come last.
import { relative } from 'node:path';
import TestSequencer from '@jest/test-sequencer';

const LONGEST = ['tests/chaos/', 'tests/service/', 'tests/bench/', 'tests/database/open'];

export default class extends TestSequencer {
  async sort(tests) {
    const turn = ({ path, context }) => {
      const name = relative(context.config.rootDir, path).replaceAll('\\', '/');
      const place = LONGEST.findIndex((prefix) => name.startsWith(prefix));
      return place === -1 ? LONGEST.length : place;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the method of the class, not that of a list
    const sorted = await super.sort(tests);
    return sorted.toSorted((a, b) => turn(a) - turn(b));
  }
}
