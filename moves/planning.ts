import { agentTools } from './agent-tools.ts';
import type { KpiMonitor } from './kpi/monitor.ts';
import { MoveAssets } from './move-assets.ts';
import { Planner, type PlannerDependencies } from './planner.ts';
import type { Toolbox } from './tools/toolbox.ts';
import type { Work } from './work.ts';

export interface PlanningDependencies extends Omit<PlannerDependencies, 'tools'> {
  toolbox: Toolbox;
  monitor: KpiMonitor;
}

/** Every part of planning that steps run, by the kind of the step, one line each. */
export function makePlanning(dependencies: PlanningDependencies) {
  const { toolbox, monitor } = dependencies;
  const planner = new Planner({ ...dependencies, tools: agentTools(toolbox) });
  const assets = new MoveAssets({ ...dependencies, planner });
  return {
    arc: planner.arc,
    kpis: (params, work) => monitor.pull(params, work),
    'move-assets': assets.make,
    moves: planner.moves,
    pivot: planner.pivot,
  } satisfies Record<string, Work>;
}
