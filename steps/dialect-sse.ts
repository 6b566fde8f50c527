import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Json, JsonObject } from '../database/tables.ts';
import { isObject } from './answer-fields.ts';
import { bounded } from './bounded-body.ts';
import { namesLead, PER_LEAD_TERMINALS, subjectOfComplete } from './complete-frame.ts';
import { checkOutcome } from './dialect-json.ts';
import { engineFailed, engineMessage, invalidAnswer, saysNothingToDo } from './engine-errors.ts';
import type { Wire, WireResponse } from './http-call.ts';
import { type EngineAnswer, type EngineTraits, StepError } from './step.ts';
import { cleanText } from './summarize.ts';

const ERROR_EVENTS = new Set(['error', 'failed', 'fatal', 'fatal_error']);
/** These concern the whole call even where an `error` concerns one lead. */
const FATAL_EVENTS = new Set(['fatal', 'fatal_error']);
/** After these a `complete` that came before was not the last word. */
const WORKING_EVENTS = new Set(['started', 'step', 'progress', 'discovery_progress']);
const MOST_EVENT_NAMES = 50;
/** A longer frame carries rows, not progress. */
const LONGEST_PROGRESS = 65_536;

interface Frame {
  name: string;
  payload: JsonObject;
  /** The data began as a JSON object and was none. */
  broken: boolean;
}

/** Reads one frame of either style: named by its `event:` line, or unnamed with the name as `type` in the data. */
function readFrame(message: EventSourceMessage): Frame {
  if (message.data.trim() === '[DONE]') return { name: 'done', payload: {}, broken: false };
  let data: Json;
  try {
    data = JSON.parse(message.data);
  } catch {
    data = message.data;
  }
  const payload = isObject(data) ? data : { message: data };
  const named = message.event === undefined || message.event === 'message' ? undefined : message.event;
  const type = payload['type'] ?? payload['event'];
  return {
    name: cleanText(named ?? (typeof type === 'string' ? type : 'message'), 60),
    payload,
    broken: !isObject(data) && message.data.trimStart().startsWith('{'),
  };
}

/** The small facts of a frame, for whoever watches the run. */
function progressFacts({ name, payload }: Frame): JsonObject {
  const details = isObject(payload['data']) ? { ...payload, ...payload['data'] } : payload;
  const small = Object.entries(details)
    .filter(([field, value]) => field !== 'type' && (typeof value !== 'object' || value === null))
    .slice(0, 12)
    .map(([field, value]): [string, Json] => [
      cleanText(field, 60),
      typeof value === 'string' ? cleanText(value, 200) : value,
    ]);
  return { event: name, ...Object.fromEntries(small) };
}

/** Follows a stream frame by frame until its terminal event. */
class StreamReader {
  #terminals: ReadonlySet<string>;
  #closing: string | undefined;
  readonly #perItem: boolean;
  readonly #isExact: boolean;
  readonly #progress: (facts: JsonObject) => void;
  readonly #counts = new Map<string, number>();
  #terminal: Frame | null = null;
  /** A `complete` that was the last one if the engine closes now. */
  #perhapsLast: Frame | null = null;
  #completeIsPerItem: boolean;
  #sawLead = false;
  #itemsCompleted = 0;
  #closed = false;
  #empty: string | null = null;
  #lastError: string | null = null;

  constructor(traits: EngineTraits, progress: (facts: JsonObject) => void) {
    this.#terminals = new Set(traits.terminalEvents);
    this.#closing = traits.closingEvent;
    this.#perItem = traits.errorFramesArePerItem;
    this.#isExact = traits.exactTerminals ?? false;
    this.#completeIsPerItem = !this.#terminals.has('complete');
    this.#progress = progress;
  }

  /** The terminal event has come; only a closing one may follow. */
  get ended(): boolean {
    return this.#terminal !== null;
  }

  /** Nothing that may still come matters. */
  get finished(): boolean {
    return this.#closed;
  }

  take(message: EventSourceMessage): void {
    if (this.#closed) return;
    const frame = readFrame(message);
    if (this.#terminal) return this.#takeClosing(frame);
    this.#count(frame.name);
    if (WORKING_EVENTS.has(frame.name)) this.#perhapsLast = null;
    if (frame.name === 'complete' ? this.#isLastComplete(frame) : this.#terminals.has(frame.name))
      return this.#end(frame);
    if (ERROR_EVENTS.has(frame.name)) return this.#takeError(frame);
    if (message.data.length <= LONGEST_PROGRESS) this.#progress(progressFacts(frame));
  }

  #count(name: string): void {
    const key = this.#counts.has(name) || this.#counts.size < MOST_EVENT_NAMES ? name : 'other';
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Whether a `complete` ends the stream: by what it says, unless the step names the events that do. */
  #isLastComplete(frame: Frame): boolean {
    const subject = subjectOfComplete(frame.payload);
    if (subject === 'lead') this.#takeLead(frame);
    if (this.#isExact) return this.#terminals.has(frame.name);
    if (subject === 'lead') return false;
    if (!this.#sawLead && subject === 'call') return true;
    if (this.#terminals.has(frame.name)) return true;
    this.#perhapsLast ??= frame;
    return false;
  }

  /** From the first `complete` about one lead on, the stream is of the style whose last events are `summary` and `done`. */
  #takeLead({ payload }: Frame): void {
    this.#sawLead = true;
    if (payload['success'] !== false) this.#itemsCompleted += 1;
    this.#perhapsLast = null;
    if (this.#isExact) return;
    this.#completeIsPerItem = true;
    this.#closing = 'done';
    this.#terminals = new Set([...this.#terminals, ...PER_LEAD_TERMINALS].filter((name) => name !== 'complete'));
  }

  /** @throws {StepError} ENGINE_ANSWER_INVALID, ENGINE_FAILED */
  #end(frame: Frame): void {
    if (frame.broken) throw invalidAnswer(`The data of the terminal event "${frame.name}" is not JSON.`);
    this.#terminal = frame;
    this.#empty = checkOutcome(frame.payload);
    const closingFollows = this.#closing !== undefined && this.#terminals.has(this.#closing);
    this.#closed = !closingFollows || frame.name === this.#closing;
  }

  #takeClosing(frame: Frame): void {
    if (!this.#terminal || frame.name === this.#terminal.name || !this.#mayClose(frame.name)) return;
    this.#count(frame.name);
    this.#terminal = { ...this.#terminal, payload: { ...frame.payload, ...this.#terminal.payload } };
    this.#closed = frame.name === this.#closing;
  }

  #mayClose(name: string): boolean {
    return name === this.#closing || (!this.#isExact && PER_LEAD_TERMINALS.includes(name));
  }

  /** @throws {StepError} ENGINE_FAILED when the frame concerns the whole call */
  #takeError(frame: Frame): void {
    const said = engineMessage(frame.payload);
    if (saysNothingToDo(said) && !FATAL_EVENTS.has(frame.name)) {
      this.#terminal = frame;
      this.#empty = said;
      this.#closed = true;
      return;
    }
    this.#lastError = said ?? frame.name;
    if (FATAL_EVENTS.has(frame.name) || !this.#concernsItem(frame)) throw engineFailed(frame.payload);
    this.#progress(progressFacts(frame));
  }

  /** Where `complete` comes once per lead, so does its opposite: then a frame that names its lead is about that one. */
  #concernsItem({ payload }: Frame): boolean {
    if (this.#perItem) return true;
    return this.#completeIsPerItem && namesLead(payload);
  }

  /** @throws {StepError} ENGINE_STREAM_ENDED_EARLY when no terminal event has come; what the last frame may say */
  answer(cause?: unknown): EngineAnswer {
    if (!this.#terminal && this.#perhapsLast && cause === undefined) this.#end(this.#perhapsLast);
    const frames = Object.fromEntries(this.#counts);
    if (this.#terminal)
      return {
        dialect: 'sse',
        payload: this.#terminal.payload,
        terminal: this.#terminal.name,
        frames,
        ...(this.#itemsCompleted === 0 ? {} : { itemsCompleted: this.#itemsCompleted }),
        ...(this.#empty === null ? {} : { empty: this.#empty }),
      };
    const expected = [...this.#terminals].map((name) => `"${name}"`).join(' or ');
    const last = this.#lastError === null ? '' : ` Its last error: ${this.#lastError}`;
    throw new StepError('ENGINE_STREAM_ENDED_EARLY', `The stream ended early, without ${expected}.${last}`, {
      retryable: true,
      worked: 'maybe',
      definite: false,
      cause,
    });
  }
}

/**
 * The streaming dialect: follows the response until a terminal event and leaves then, whether or not the engine closes.
 * @throws {StepError} ENGINE_FAILED, ENGINE_STREAM_ENDED_EARLY, ENGINE_RESPONSE_TOO_LARGE
 */
export async function answerFromStream(
  wire: Wire,
  response: WireResponse,
  traits: EngineTraits,
  progress: (facts: JsonObject) => void,
): Promise<EngineAnswer> {
  const reader = new StreamReader(traits, progress);
  let flushing = false;
  const parser = createParser({
    onEvent: (message) => {
      if (!flushing || !readFrame(message).broken) reader.take(message);
    },
  });
  const decoder = new TextDecoder();
  let closingTimer: NodeJS.Timeout | undefined;
  try {
    for await (const chunk of bounded(response.body, wire.maxResponseBytes)) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (reader.finished) break;
      if (reader.ended) closingTimer ??= setTimeout(() => response.body.destroy(), wire.closingLimitMs);
    }
    // Some engines end without the blank line that would finish the last frame; half a frame is no frame.
    flushing = true;
    if (!reader.finished) parser.feed(`${decoder.decode()}\n\n`);
  } catch (error) {
    if (error instanceof StepError) throw error;
    return reader.answer(error);
  } finally {
    clearTimeout(closingTimer);
    response.body.destroy();
  }
  return reader.answer();
}
