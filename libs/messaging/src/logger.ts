/** What this lib needs of a logger; pino's fits. It gets codes and counts, never contents. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
