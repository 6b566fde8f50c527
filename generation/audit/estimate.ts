import type { Micros } from '../../shared/money.ts';
import { passagesOf, type Artifact } from '../artifacts.ts';
import type { Model } from '../model.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { judgeQuestions } from './judge-questions.ts';
import { judgeRequest } from './judge-request.ts';

/** At most what judging these artifacts costs once, in micro-dollars; a question that has to be asked again is left out. */
export function estimateAudit(brief: NormalizedBrief, artifacts: readonly Artifact[], model: Model): Micros {
  if (model.provider === 'rules') return 0;
  return artifacts.reduce((sum, artifact) => {
    const passages = passagesOf(artifact.kind, artifact.content);
    const questions = judgeQuestions(brief, artifact);
    return (
      sum + questions.reduce((all, one) => all + model.estimate(judgeRequest(brief, artifact, passages, one, true)), 0)
    );
  }, 0);
}
