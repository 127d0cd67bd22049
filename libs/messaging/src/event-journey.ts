import { tracingChannel } from "node:diagnostics_channel";

/** What happens to events: written with their request, sent to the broker, taken from a queue. */
const CHANNELS = {
  append: tracingChannel<unknown, object>("medvault:events:append"),
  send: tracingChannel<unknown, object>("medvault:events:send"),
  process: tracingChannel<unknown, object>("medvault:events:process"),
};

interface Journey {
  /** Where to, or where from. */
  readonly queue: string;
  /** Events, or their JSON. */
  readonly events: readonly (string | object)[];
}

/** Runs `work`, and tells those who follow events (telemetry); while nobody does, it is free. */
export function followed<T>(
  step: keyof typeof CHANNELS,
  journey: () => Journey,
  work: () => Promise<T>,
): Promise<T> {
  const channel = CHANNELS[step];
  return channel.hasSubscribers ? channel.tracePromise(work, { ...journey() }) : work();
}
