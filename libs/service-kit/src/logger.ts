import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { allowedFields, scrub } from "./log-fields.ts";

export type Logger = PinoLogger;

export interface LoggerOptions {
  service: string;
  level: string;
  /** Where lines go; default standard output. */
  destination?: DestinationStream;
}

/**
 * A logger that lets out listed fields only (log-fields.ts): `log.info({ count, rows },
 * "imported")`. Messages are fixed texts: values belong in fields; `%s` is not interpolated.
 */
export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (sifted: unknown) => sifted }, // pino's own would rewrite it
      formatters: {
        level: (label) => ({ level: label }),
        bindings: allowedFields,
        log: allowedFields,
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
          const message = typeof first === "string" ? first : typeof second === "string" ? second : "";
          method.apply(this, [fields, scrub(message)]); // without one, pino takes the error's
        },
      },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
  // pino lets a child's bindings past the formatter: sifted here; children inherit both methods.
  const { child, setBindings } = logger;
  logger.child = function sifted(this: Logger, bindings: Record<string, unknown>) {
    return child.call(this, allowedFields(bindings));
  } as Logger["child"];
  logger.setBindings = function sifted(this: Logger, bindings: Record<string, unknown>) {
    setBindings.call(this, allowedFields(bindings));
  };
  return logger;
}
