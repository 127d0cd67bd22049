export interface LoggedLine {
  level: "info" | "warn" | "error";
  fields: object;
  message: string;
}

/** A logger that keeps its lines, for assertions on codes and against leaks. */
export function testLogger(): {
  lines: LoggedLine[];
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
} {
  const lines: LoggedLine[] = [];
  const keep =
    (level: LoggedLine["level"]) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields, message });
    };
  return { lines, info: keep("info"), warn: keep("warn"), error: keep("error") };
}
