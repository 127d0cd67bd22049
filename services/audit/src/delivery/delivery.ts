/** What leaves the house of an alert: codes, counts and ids of events; no name, no contents. */
export interface AlertNotice {
  readonly id: string;
  readonly rule: string;
  readonly severity: string;
  readonly state: string;
  readonly openedAt: string;
  readonly lastAt: string;
  readonly count: number;
  readonly whatToDo: string;
  /** Ids of the events that it fired for, those of them that fit. */
  readonly events: readonly string[];
}

/** What happened to the alert; `test`: nothing, an operator tries the channels. */
export type Change = "opened" | "changed" | "test";

/** What a channel is given to send. */
export interface Delivery {
  /** The same at each try: receivers tell doubles by it. */
  readonly id: string;
  readonly change: Change;
  readonly notice: AlertNotice;
  readonly createdAt: Date;
}

/** Ways out that audit itself has; mails are auth's. */
export const CHANNELS = ["webhook", "syslog"] as const;
export type ChannelName = (typeof CHANNELS)[number];

/** One way out. */
export interface Channel {
  /** Resolves once the receiver has it. Throws DeliveryFailed. */
  send(delivery: Delivery): Promise<void>;
}
export type Channels = Partial<Readonly<Record<ChannelName, Channel>>>;

const RETRY_FIRST_MS = 5_000;
/** A receiver that is back waits no longer than this for what it missed. */
const RETRY_MAX_MS = 15 * 60_000;
/** A receiver that was away for a day has been missed by people: they have the API. */
export const KEEP_TRYING_MS = 24 * 3600_000;

/** After how long it is tried again: 5 s, 10 s, … 15 min, each varied down to its half. */
export function retryAfterMs(attempts: number, random: number): number {
  const full = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempts - 1, 20));
  return Math.round(full * (0.5 + random / 2));
}

const EVENTS_MAX = 100;

/** The notice of an alert, without anything else that came with it. */
export const noticeOf = (alert: AlertNotice): AlertNotice => ({
  ...{ id: alert.id, rule: alert.rule, severity: alert.severity, state: alert.state },
  ...{ openedAt: alert.openedAt, lastAt: alert.lastAt, count: alert.count, whatToDo: alert.whatToDo },
  events: alert.events.slice(0, EVENTS_MAX),
});
