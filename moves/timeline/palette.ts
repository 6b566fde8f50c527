import type { Colour } from '../../database/tables-moves.ts';
import type { MoveState } from '../move.ts';
import type { MilestoneState } from './progress.ts';

/** Dark on light throughout; texts have a contrast of 4.5 or more to what is behind them. */
export const INK = '#0f172a';
export const MUTED = '#475569';
export const RULE = '#cbd5e1';
export const LATE = '#b91c1c';
export const TODAY = '#7c3aed';

export interface Look {
  letter: string;
  word: string;
  fill: string;
  stroke: string;
  text: string;
  dashes?: string;
}

/** Letters and words go with the colours, for who cannot tell those apart. */
export const STATUS: Record<Colour, Look> = {
  green: { letter: 'G', word: 'green', fill: '#86efac', stroke: '#15803d', text: '#14532d' },
  amber: { letter: 'A', word: 'amber', fill: '#fcd34d', stroke: '#b45309', text: '#713f12' },
  red: { letter: 'R', word: 'red', fill: '#fca5a5', stroke: '#b91c1c', text: '#7f1d1d' },
  unknown: { letter: '?', word: 'not known', fill: '#e2e8f0', stroke: '#64748b', text: '#334155' },
};

export const MOVE: Record<MoveState, Look> = {
  planned: { letter: 'P', word: 'planned', fill: '#ffffff', stroke: '#64748b', text: '#334155', dashes: '4 2' },
  in_progress: { letter: 'I', word: 'in progress', fill: '#bfdbfe', stroke: '#1d4ed8', text: '#1e3a8a' },
  blocked: { letter: 'B', word: 'blocked', fill: 'url(#hatch)', stroke: '#c2410c', text: '#7c2d12' },
  done: { letter: 'D', word: 'done', fill: '#86efac', stroke: '#15803d', text: '#14532d' },
  dropped: { letter: 'X', word: 'dropped', fill: '#f1f5f9', stroke: '#94a3b8', text: '#475569' },
};

export const MILESTONE: Record<MilestoneState, Omit<Look, 'letter'>> = {
  upcoming: { word: 'upcoming', fill: '#ffffff', stroke: '#334155', text: MUTED },
  due: { word: 'due', fill: '#fcd34d', stroke: '#b45309', text: '#92400e' },
  passed: { word: 'passed', fill: '#334155', stroke: '#334155', text: MUTED },
  overdue: { word: 'overdue', fill: '#ef4444', stroke: '#7f1d1d', text: LATE },
};
