import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Parser } from 'htmlparser2';
import type { MoveRow } from '../../../database/tables-moves.ts';
import { timelineSvg } from '../../../moves/timeline/svg.ts';
import { expectWellFormed } from '../../support/xml.ts';
import { arc, changed } from '../moves-support.ts';
import { kpi, moveIn, plan, timelineWith } from './timeline-support.ts';

interface Element {
  name: string;
  attributes: Record<string, string>;
  text: string;
}

function elementsOf(xml: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        const element = { name, attributes, text: '' };
        elements.push(element);
        open.push(element);
      },
      ontext(text) {
        const last = open.at(-1);
        if (last) last.text += text;
      },
      onclosetag: () => void open.pop(),
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return elements;
}

const draw = (...parts: Parameters<typeof timelineWith>) => {
  const xml = timelineSvg(timelineWith(...parts));
  expectWellFormed(xml);
  const elements = elementsOf(xml);
  const textsOf = (name: string) => elements.filter((one) => one.name === name).map(({ text }) => text);
  return { xml, elements, texts: textsOf('text'), titles: textsOf('title') };
};

const sixty = Array.from({ length: 60 }, (_, index) =>
  moveIn(1 + (index % 13), { id: `019b8d2e-0000-7000-8000-0000000001${String(index).padStart(2, '0')}` }),
);

describe('the picture of a plan', () => {
  test('names phases, milestones, moves, weeks, KPIs and today', () => {
    const { texts } = draw({ moves: [moveIn(3, { title: 'Show the dishes', owner: 'Ben' })], kpis: [kpi] });
    for (const text of ['Lunch', 'Launch', 'Growth', 'Loyalty', 'Listed', '20 Jan · overdue', 'Show the dishes', 'Ben'])
      expect(texts).toContain(text);
    for (const text of ['Week 1', '5 Jan', 'Week 13', '30 Mar', 'today 21 Jan', '30 % of budget · 0 of 1 done'])
      expect(texts).toContain(text);
    for (const text of ['Leads', '120 of 500 leads', 'amber, 20 Jan · 150 expected']) expect(texts).toContain(text);
  });

  test('is described for who cannot see it, and needs nothing from elsewhere', () => {
    const { elements, xml } = draw({ moves: [moveIn(1), moveIn(2, { state: 'done' })] });
    const root = elements[0];
    expect(root).toMatchObject({
      name: 'svg',
      attributes: { role: 'img', 'aria-labelledby': 'title desc', width: '1200' },
    });
    const byId = (id: string) => elements.find(({ attributes }) => attributes['id'] === id)?.text;
    expect(byId('title')).toBe('Timeline of Lunch');
    expect(byId('desc')).toBe('Phases: 3; milestones: 3; moves: 2, of which 1 done and 1 late; KPIs: 0.');
    expect(elements.filter(({ name }) => /^(script|image|use|a|style|foreignObject|link)$/i.test(name))).toEqual([]);
    expect(xml.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href|\son[a-z]+=|url\((?!#)/);
  });

  test('tells every state by a letter or a word beside its colour', () => {
    const states: MoveRow['state'][] = ['planned', 'in_progress', 'blocked', 'done', 'dropped'];
    const moves = states.map((state, index) => moveIn(6, { state, title: 'x'.repeat(index + 1), priority: index + 1 }));
    const kpis = (['green', 'amber', 'red', 'unknown'] as const).map((colour) => ({ ...kpi, kpi: colour, colour }));
    const { texts } = draw({ moves, kpis, today: '2026-02-16' });
    // Each once in the legend and once where it applies.
    for (const letter of ['P', 'I', 'B', 'D', 'X', 'G', 'A', 'R'])
      expect(texts.filter((text) => text === letter).length).toBeGreaterThanOrEqual(2);
    expect(texts).toContain('late · Ana');
  });

  test('has a row of its own for each of sixty moves, none over another', () => {
    const { elements } = draw({ moves: sixty });
    const rows = elements
      .filter(({ name, text }) => name === 'text' && text.startsWith('Move of week'))
      .map(({ attributes }) => Number(attributes['y']))
      .toSorted((a, b) => a - b);
    expect(rows).toHaveLength(60);
    for (const [index, y] of rows.entries())
      if (index > 0) expect(y - (rows[index - 1] ?? 0)).toBeGreaterThanOrEqual(20);
    const height = Number(elements[0]?.attributes['height']);
    expect(Math.max(...rows)).toBeLessThan(height);
  });

  test('draws an arrow for each dependency', () => {
    const first = moveIn(1);
    const sameWeek = moveIn(1, { priority: 2, depends_on: [first.id] });
    const later = moveIn(9, { depends_on: [first.id] });
    const { elements } = draw({ moves: [first, sameWeek, later] });
    const arrows = elements.filter(({ name, attributes }) => name === 'path' && /V.*H/.test(attributes['d'] ?? ''));
    expect(arrows.filter(({ attributes }) => attributes['marker-end'] === 'url(#arrow)')).toHaveLength(2 + 2);
    for (const { attributes } of arrows) expect(attributes['d']).not.toMatch(/NaN|undefined|\d\.\d{2}/);
  });

  test('keeps moves of a phase that the arc no longer has', () => {
    const { texts } = draw({ moves: [moveIn(2, { phase: 'gone', title: 'Radio spot' })] });
    expect(texts).toEqual(expect.arrayContaining(['Moves of earlier arcs', 'Radio spot']));
  });

  test('says so when there is no approved arc', () => {
    const { texts } = draw({ arc: null, plan: { ...plan, state: 'planning', arc_version: 0 } });
    expect(texts).toContain('This plan has no approved arc. It shows here once an arc is proposed and approved.');
    const { texts: rejected } = draw({ arc: null, plan: { ...plan, state: 'rejected', arc_version: 0 } });
    expect(rejected).toContain('This plan has no approved arc. The plan is rejected.');
  });

  test.each(['2026-01-01', '2026-04-05'])(
    'has no line for today on %s, and says that it is none of its days',
    (today) => {
      const { texts } = draw({ today });
      expect(texts.filter((text) => text.startsWith('today '))).toEqual([]);
      expect(texts.join()).toContain('today is none of its days');
    },
  );
});

describe('text of others in the picture', () => {
  const HOSTILE = '</text><script>alert("1")</script>&amp;\u0000\u0007\u202E\uFFFE\uD800\'';

  test('stays text wherever it stands', () => {
    const evil = changed(arc, (copy) => {
      for (const phase of copy.phases) [phase.name, phase.goal.text] = [HOSTILE, HOSTILE];
      for (const milestone of copy.milestones) [milestone.name, milestone.evidence.text] = [HOSTILE, HOSTILE];
    });
    const { elements, titles } = draw({
      plan: { ...plan, name: HOSTILE },
      arc: evil,
      moves: [moveIn(1, { title: HOSTILE, owner: HOSTILE, channel: HOSTILE })],
      kpis: [{ ...kpi, label: HOSTILE, unit: HOSTILE }],
    });
    expect(elements.filter(({ name }) => name === 'script')).toEqual([]);
    expect(titles[0]).toBe('Timeline of </text><script>alert("1")</script>&amp;\uFFFD\'');
  });

  test('is cut with an ellipsis where it is too long, and whole in its title', () => {
    const title = 'Offer a second coffee to everybody who books a table before noon on three weekdays in a row';
    const { texts, titles } = draw({ moves: [moveIn(1, { title })] });
    expect(texts).not.toContain(title);
    expect(texts.filter((text) => /^Offer a second coffee.*…$/.test(text))).toHaveLength(1);
    expect(titles.filter((text) => text.startsWith(title))).toHaveLength(1);
  });

  test.each([0, 1, 2, 3, 4, 5])('is never cut within a character, %s letters on', (letters) => {
    const { texts } = draw({ moves: [moveIn(1, { title: `${'x'.repeat(letters)}${'👩‍🍳'.repeat(100)}` })] });
    expect(texts.find((text) => text.includes('👩‍🍳'))).toMatch(/^x*(👩‍🍳)+…$/u);
  });

  test('gives well-formed XML whatever it is', () => {
    const words = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(words, words, words, (name, title, label) => {
        draw({ plan: { ...plan, name }, moves: [moveIn(2, { title, owner: label })], kpis: [{ ...kpi, label }] });
      }),
      { numRuns: 100 },
    );
  });
});
