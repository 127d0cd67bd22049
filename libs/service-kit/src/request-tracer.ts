import type { RequestHandler } from "express";

let tracer: RequestHandler | null = null;

/** What traces requests; null as long as tracing is off: then it costs nothing. */
export const requestTracer = (): RequestHandler | null => tracer;

/** Called before the apps of a process are made. */
export function traceRequestsWith(handler: RequestHandler | null): void {
  tracer = handler;
}
