import { setTimeout as delay } from 'node:timers/promises';
import type { Halt } from '../support/postgres.ts';
import type { ChaosDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import type { CountingEngines } from './engines.ts';
import type { Post } from './post.ts';
import type { Replica } from './replica.ts';

/** What faults work on. */
export interface FaultGround {
  dice: Dice;
  replicas: readonly Replica[];
  /** How many replicas there are when nothing is wrong; the others come and go. */
  usual: number;
  leaseMs: number;
  database: ChaosDatabase;
  engines: CountingEngines;
  post: Post;
}

/**
 * One kind of fault. `inject` resolves when it is over and mended, with a word on how it was; null when it could not be had
 * at this moment, such as when every replica is at fault already.
 */
export interface FaultKind {
  name: string;
  inject(ground: FaultGround): Promise<string | null>;
}

/** Holds one replica that is up for the time of a fault. */
async function withReplica(
  { dice, replicas }: FaultGround,
  work: (replica: Replica) => Promise<string>,
): Promise<string | null> {
  const replica = dice.pick(replicas.filter((each) => each.isUp && !each.isHeld));
  if (!replica) return null;
  replica.isHeld = true;
  try {
    return `${replica.name} ${await work(replica)}`;
  } finally {
    replica.isHeld = false;
  }
}

const kill: FaultKind = {
  name: 'replica killed (kill -9) and started again',
  inject: (ground) =>
    withReplica(ground, async (replica) => {
      const awayMs = ground.dice.between(0, 4_000);
      await replica.kill();
      await delay(awayMs);
      await replica.start();
      return `for ${awayMs} ms`;
    }),
};

const rolling: FaultKind = {
  name: 'replica stopped by SIGTERM and started again',
  inject: (ground) =>
    withReplica(ground, async (replica) => {
      await replica.terminate();
      await replica.start();
      return '';
    }),
};

function pause(name: string, length: (ground: FaultGround) => number): FaultKind {
  return {
    name,
    inject: (ground) =>
      withReplica(ground, async (replica) => {
        const ms = length(ground);
        replica.pause();
        await delay(ms);
        replica.goOn();
        return `for ${ms} ms`;
      }),
  };
}

const longPause = pause(
  'replica paused (SIGSTOP) past its lease',
  ({ dice, leaseMs }) => leaseMs + dice.between(500, 4_000),
);
const shortPause = pause('replica paused (SIGSTOP) within its lease', ({ dice, leaseMs }) =>
  dice.between(200, Math.floor(leaseMs / 2)),
);

function postgresAway(how: Halt, name: string): FaultKind {
  return {
    name,
    inject: async ({ dice, database }) =>
      alone('postgres', async () => {
        const awayMs = dice.between(0, 3_000);
        await database.server.halt(how);
        await delay(awayMs);
        await database.server.resume();
        return `for ${awayMs} ms`;
      }),
  };
}

const cutAll: FaultKind = {
  name: 'all connections to Postgres cut',
  async inject({ dice, replicas }) {
    return alone('connections', async () => {
      const awayMs = dice.chance(0.5) ? 0 : dice.between(100, 3_000);
      await Promise.all(replicas.map(({ proxy }) => proxy.cut()));
      await delay(awayMs);
      await Promise.all(replicas.map(({ proxy }) => proxy.restore()));
      return `for ${awayMs} ms`;
    });
  },
};

const cutOne: FaultKind = {
  name: 'connections of one replica cut',
  inject: (ground) =>
    alone('connections', () =>
      withReplica(ground, async ({ proxy }) => {
        const awayMs = ground.dice.chance(0.3) ? 0 : ground.dice.between(500, ground.leaseMs + 3_000);
        await proxy.cut();
        await delay(awayMs);
        await proxy.restore();
        return `for ${awayMs} ms`;
      }),
    ),
};

const freeze: FaultKind = {
  name: 'connections of one replica frozen, then thawed',
  inject: (ground) =>
    alone('connections', () =>
      withReplica(ground, async ({ proxy }) => {
        const ms = ground.dice.between(500, ground.leaseMs * 2);
        proxy.freeze();
        await delay(ms);
        proxy.thaw();
        return `for ${ms} ms`;
      }),
    ),
};

const clock: FaultKind = {
  name: 'clock of one replica moved, then put right',
  inject: (ground) =>
    withReplica(ground, async (replica) => {
      const seconds = ground.dice.between(5, 90) * (ground.dice.chance(0.5) ? 1 : -1);
      const ms = ground.dice.between(2_000, 10_000);
      await replica.setClock(seconds * 1_000);
      await delay(ms);
      await replica.setClock(0);
      return `by ${seconds} s for ${ms} ms`;
    }),
};

const join: FaultKind = {
  name: 'replica joined',
  async inject({ dice, replicas }) {
    const replica = dice.pick(replicas.filter((each) => !each.isUp && !each.isHeld));
    if (!replica) return null;
    replica.isHeld = true;
    await replica.start();
    replica.isHeld = false;
    return replica.name;
  },
};

const leave: FaultKind = {
  name: 'replica left for good',
  async inject(ground) {
    if (ground.replicas.filter((each) => each.isUp && !each.isHeld).length < ground.usual) return null;
    return withReplica(ground, async (replica) => {
      const killed = ground.dice.chance(0.5);
      await (killed ? replica.kill() : replica.terminate());
      return killed ? 'by kill -9' : 'by SIGTERM';
    });
  },
};

const resets: FaultKind = {
  name: 'engine connections reset',
  inject: ({ dice, engines }) =>
    alone('engines', async () => {
      const ms = dice.between(50, 1_000);
      engines.startResets();
      await delay(ms);
      engines.endResets();
      return `for ${ms} ms`;
    }),
};

const mailDown: FaultKind = {
  name: 'mail server down, then up',
  inject: ({ dice, post }) =>
    alone('mail', async () => {
      const ms = dice.between(1_000, 8_000);
      await post.server.down();
      await delay(ms);
      await post.server.up();
      return `for ${ms} ms`;
    }),
};

/** What one fault of a kind excludes: another one on the same thing at the same time. */
const taken = new Set<string>();

async function alone(thing: string, work: () => Promise<string | null>): Promise<string | null> {
  if (taken.has(thing)) return null;
  taken.add(thing);
  try {
    return await work();
  } finally {
    taken.delete(thing);
  }
}

/** Every kind of fault, one line each. */
export const faultKinds: readonly FaultKind[] = [
  kill,
  rolling,
  longPause,
  shortPause,
  postgresAway('fast', 'Postgres restarted (fast)'),
  postgresAway('immediate', 'Postgres restarted (immediate)'),
  postgresAway('crash', 'Postgres killed (kill -9) and started again'),
  cutAll,
  cutOne,
  freeze,
  clock,
  join,
  leave,
  resets,
  mailDown,
];
