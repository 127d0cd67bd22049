import { type Actor, type AuditStreamQuery, InvalidInput, LastEventId } from "@medvault/contracts";
import type { Context } from "../context.ts";
import { rowsInOrder } from "../events/event.store.ts";
import { requireWholeLog, viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { tableSize } from "../log/log.store.ts";
import { passes } from "./filter.ts";
import { entryFrame, headFrame, heartbeatFrame } from "./frame.ts";

/** Written at once, before the reader has taken what was written before. */
const STEP_ROWS = 100;
/** Entries that one statement looks through for a filter that few pass. */
const STEP_ENTRIES = 20_000;

/** Why a stream ended, as its event says. */
export type StreamEnd = "reader_left" | "reader_stalled" | "service_stopped" | "failed";

/** A stream that was opened. */
export interface LogStream {
  /** Text to send; ends when `signal` aborts. */
  frames(signal: AbortSignal): AsyncGenerator<string>;
  /** To be called once, whatever happened; the event of the end is durable when it resolves. */
  end(reason: StreamEnd): Promise<void>;
}

/**
 * Opens a stream of the entries that pass the filter, in the order of the log and each once: from
 * now on, or behind the entry that its reader saw last. Resolves when its event is durable.
 * @throws Forbidden, InvalidInput, TooManyStreams
 */
export async function openStream(
  context: Context,
  actor: Actor,
  { after, ...filter }: AuditStreamQuery,
  lastEventId: string | undefined,
): Promise<LogStream> {
  requireWholeLog(actor);
  const { streams, tail, pool, appender, logger } = context;
  const behind = lastEventId ? lastSeen(lastEventId) : after;
  const free = streams.take(actor.id);
  try {
    const size = await tail.join();
    try {
      const first = behind === undefined ? size : behind + 1;
      if (first > size && first > (await tableSize(pool))) throw beyondTheLog();
      await appender.append(readingEvent(actor, "streamed", { filter, details: { first } }));
      return streamFrom(first);
    } catch (error) {
      tail.leave();
      throw error;
    }
  } catch (error) {
    free();
    throw error;
  }

  function streamFrom(first: number): LogStream {
    const seen = { next: first, sent: 0 };
    return {
      frames: (signal) => framesOf(context, filter, seen, signal),
      end(reason) {
        tail.leave();
        free();
        const details = { first, next: seen.next, sent: seen.sent, reason };
        const told = appender.append(readingEvent(actor, "stream-ended", { filter, details }));
        const ended = told.catch((err: unknown) => logger.warn({ err }, "the end of a stream has no event"));
        streams.ending(ended);
        return ended;
      },
    };
  }
}

async function* framesOf(
  context: Context,
  filter: Omit<AuditStreamQuery, "after">,
  seen: { next: number; sent: number },
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { tail, streams, pool, seal } = context;
  const isAsked = passes(filter);
  let sentAt = performance.now();
  yield headFrame(seen.next);
  while (!signal.aborted) {
    const known = tail.from(seen.next, STEP_ROWS);
    let frames: string[];
    if (known === null) {
      // It is further behind than the tail is long: it reads for itself until it is there.
      const to = Math.min(tail.next, seen.next + STEP_ENTRIES);
      const rows = await rowsInOrder(pool, filter, seen.next, to, STEP_ROWS);
      frames = rows.map((row) => entryFrame(viewOf(seal, row)));
      seen.next = rows.length < STEP_ROWS ? to : (rows.at(-1)?.idx ?? to) + 1;
    } else if (known.length > 0) {
      frames = known.filter(({ row }) => isAsked(row)).map(({ frame }) => frame);
      seen.next = (known.at(-1)?.row.idx ?? seen.next) + 1;
    } else {
      await woken(tail.waiting, signal);
      frames = [];
    }
    seen.sent += frames.length;
    const isSilent = performance.now() - sentAt >= streams.heartbeatMs;
    if (frames.length === 0 && !isSilent) continue;
    sentAt = performance.now();
    yield frames.length > 0 ? frames.join("") : heartbeatFrame(seen.next);
  }
}

/** Resolves when there may be more, or when it is over. */
async function woken(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  waiting.add(wake);
  signal.addEventListener("abort", wake);
  await promise;
  signal.removeEventListener("abort", wake);
  waiting.delete(wake);
}

/** What a client says that it saw last. @throws InvalidInput */
function lastSeen(lastEventId: string): number {
  const parsed = LastEventId.safeParse(lastEventId);
  if (parsed.success) return parsed.data;
  throw new InvalidInput("`Last-Event-ID` is no id of this stream. Connect again without it.");
}

function beyondTheLog(): InvalidInput {
  const message = "is beyond the end of the log";
  return new InvalidInput("The log has no such entry yet. Connect again without it.", [
    { path: "after", message },
  ]);
}
