import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { allowedFields, scrub } from "./log-fields.ts";

export type Logger = PinoLogger;

export interface LoggerOptions {
  service: string;
  level: string;
  /** Further field names that this service may log. Never of something a person wrote. */
  fields?: readonly string[];
  /** Where lines go; default standard output. */
  destination?: DestinationStream;
}

/**
 * A logger that lets out listed fields only (see log-fields.ts), whatever it is given: `log.info({ count, rows },
 * "imported")`. Messages are fixed texts: values belong in fields, and interpolation (`%s`) is not done.
 */
export function createLogger(options: LoggerOptions): Logger {
  const extra = new Set(options.fields ?? []);
  return pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: {}, // none: pino's own would let a whole error or request through
      formatters: {
        level: (label) => ({ level: label }),
        bindings: (bindings) => allowedFields(bindings, extra),
        log: (fields) => allowedFields(fields, extra),
      },
      hooks: {
        logMethod(args, method) {
          const [first, second] = args as unknown[];
          const fields =
            first instanceof Error
              ? { err: first }
              : typeof first === "object" && first !== null
                ? first
                : {};
          const message = typeof first === "string" ? first : typeof second === "string" ? second : undefined;
          method.apply(this, message === undefined ? [fields] : [fields, scrub(message)]);
        },
      },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
