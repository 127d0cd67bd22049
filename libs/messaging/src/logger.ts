/** What this lib needs of a logger; pino's fits. Only codes and counts are passed, never contents. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
