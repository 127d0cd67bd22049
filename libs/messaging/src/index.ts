export { type Appender, type AppenderOptions, createAppender } from "./appender.ts";
export { emit } from "./emit.ts";
export { MAX_EVENT_BYTES } from "./envelope.ts";
export { BrokerUnavailable, EventRefused } from "./errors.ts";
