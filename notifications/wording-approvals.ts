import type { Content } from './content.ts';
import type { ApprovalFacts } from './facts.ts';
import { curl, moment } from './phrases.ts';

/** People are asked to decide. Links show and never decide: mail scanners follow them. */
export function approvalWanted(kind: 'approval.asked' | 'approval.reminder', facts: ApprovalFacts): Content {
  const until = moment(facts.expiresAt, facts.timezone);
  const who = facts.groups.length > 0 ? `A member of ${facts.groups.join(' or ')}` : 'Somebody';
  const others =
    facts.requestedBy === null || facts.allowSelf ? '' : `, but not ${facts.requestedBy}, who requested it`;
  const decide = (decision: 'approve' | 'reject') =>
    curl(facts, 'POST', ['approvals', facts.approvalId, 'decision'], { decision, by: 'your name', reason: 'why' });
  return {
    subject: `${kind === 'approval.reminder' ? 'Reminder: ' : ''}Campaign "${facts.campaign}" asks for approval: ${facts.title}`,
    mood: 'warning',
    fields: [
      { label: 'About', value: facts.title },
      ...(facts.requestedBy === null ? [] : [{ label: 'Requested by', value: facts.requestedBy }]),
      { label: 'Decide until', value: until },
      { label: 'If nobody does', value: facts.onExpiry === 'approved' ? 'it counts as approved' : 'it is rejected' },
      { label: 'Run', value: facts.runId },
    ],
    sections: [
      { title: 'What is asked', paragraphs: ['Nothing takes effect before it is approved.'], verbatim: facts.summary },
      {
        title: 'What to do',
        paragraphs: [`${who} decides${others}. Look at it, then run one of these lines with your name.`],
        commands: [
          { label: 'See all of it', line: curl(facts, 'GET', ['approvals', facts.approvalId]) },
          { label: 'Approve', line: decide('approve') },
          { label: 'Reject', line: decide('reject') },
        ],
      },
    ],
    steps: [],
    link: { label: 'What is to be approved', url: `${facts.publicUrl}/api/approvals/${facts.approvalId}` },
  };
}
