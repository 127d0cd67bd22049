import { trace } from "@opentelemetry/api";
import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { LineWriter } from "./line-writer.ts";
import { allowedFields, scrub } from "./log-fields.ts";

export type Logger = PinoLogger;

export interface LoggerOptions {
  service: string;
  level: string;
  /** Where lines go; default standard output (1). What cannot be written there is dropped. */
  destination?: DestinationStream | 1 | 2;
}

/**
 * A logger that lets out listed fields only (log-fields.ts): `log.info({ count, rows },
 * "imported")`. Messages are fixed texts: values belong in fields; `%s` is not interpolated.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { service, destination = 1 } = options;
  const lines = typeof destination === "number" ? linesTo(destination, service) : destination;
  const logger = pino(
    {
      level: options.level,
      base: { service, pid: process.pid },
      mixin: activeTrace,
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
    lines,
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

/** Of a line of a request that is traced, its trace. */
function activeTrace(): object {
  const traceId = trace.getActiveSpan()?.spanContext().traceId;
  return traceId ? { traceId } : {};
}

/** pino's own destination ends the process at a full disk, and stays silent after a broken pipe. */
function linesTo(fd: number, service: string): LineWriter {
  return new LineWriter(fd, (count) => {
    const fields = { level: "warn", time: new Date().toISOString(), service, pid: process.pid, count };
    return `${JSON.stringify({ ...fields, msg: "log lines were dropped: they could not be written" })}\n`;
  });
}
