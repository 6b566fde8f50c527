import type { PlanContext } from './context.ts';
import { withoutQuery } from './kpi/source.ts';
import type { MoveDraft } from './move.ts';
import type { Evidence } from './statement.ts';
import type { AgentTools, Researched } from './subjects/subject-deps.ts';
import { asJson, planningContext } from './tasks/plan-data.ts';
import { planTools, requestedPages } from './tools/plan-tools.ts';
import type { Toolbox } from './tools/toolbox.ts';
import { verifyMoves } from './tools/verify-moves.ts';
import type { WorkContext } from './work.ts';

/** What planning does with the tools of agents. */
export function agentTools(toolbox: Toolbox): AgentTools {
  return {
    async research(context: PlanContext, evidence: readonly Evidence[], work: WorkContext): Promise<Researched> {
      const tools = toolbox.bind(work, { evidence });
      const hasEndpoints = tools.offers(['api']).length > 0;
      if (context.research.length === 0 && !hasEndpoints) return { evidence: [], costMicros: 0 };
      const found = await planTools({
        purpose: 'evidence for a marketing strategy of 90 days',
        context: asJson({ ...planningContext(context), read: context.research.map(({ url }) => withoutQuery(url)) }),
        tools,
        available: ['research', 'api'],
        required: requestedPages(context.research),
        model: work.model,
        call: { signal: work.signal, deadline: work.deadline, onSent: () => work.onSent() },
      });
      const failed = found.outcomes.filter(({ outcome }) => outcome !== 'completed');
      for (const { tool, error } of failed)
        work.log.warn('A tool gave nothing', { tool, code: error?.code, error: error?.message });
      return { evidence: found.evidence, costMicros: found.costMicros };
    },
    verify: (moves: readonly MoveDraft[], work: WorkContext) => verifyMoves({ moves }, toolbox.bind(work)),
  };
}
