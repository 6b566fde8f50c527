/** A group that a question names though nobody is in it. */
export interface UnknownGroup {
  /** Its place among the groups of the question, from 0. */
  index: number;
  message: string;
  mend: string;
}

/**
 * The groups of a question that are not configured, so that it would never be answered.
 * @param groups null for one that only the run will know
 * @param known the names of the configured groups
 */
export function unknownGroups(groups: readonly (string | null)[], known: readonly string[]): UnknownGroup[] {
  const mend = known.length > 0 ? `there are ${known.join(', ')}` : 'name groups in APPROVAL_GROUPS';
  return groups.flatMap((group, index) => {
    if (group === null || known.includes(group)) return [];
    const message = `names the group ${JSON.stringify(group)}, which is not configured, so that nobody could decide`;
    return [{ index, message, mend }];
  });
}
