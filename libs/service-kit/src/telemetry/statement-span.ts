import { context, type Span } from "@opentelemetry/api";
import pg from "pg";
import { childSpan, endSpan, isTraced } from "./child-span.ts";

type Callback = (error: unknown, result: unknown) => void;
type Query = (this: pg.Client, ...args: unknown[]) => unknown;

const MAX_TEXT = 1_000;

/** Spans of statements: their text, which holds parameters and never a value. */
export function traceStatements(): () => void {
  const prototype = pg.Client.prototype as unknown as { query: Query };
  const plain = prototype.query;
  prototype.query = function traced(...args) {
    const text = isTraced() ? textOf(args[0]) : null;
    if (text === null) return plain.apply(this, args);
    const span = spanOf(text, this);
    const ending =
      (callback: Callback): Callback =>
      (error, result) => {
        endSpan(span, error);
        callback(error, result);
      };
    const at = args.findLastIndex((arg) => typeof arg === "function");
    if (at > 0) args[at] = ending(args[at] as Callback);
    else if (isOwnQuery(args[0])) args[0].callback = ending(args[0].callback);
    const answer = plain.apply(this, args);
    if (answer instanceof Promise) {
      answer.then(
        () => endSpan(span),
        (error: unknown) => endSpan(span, error),
      );
    }
    return answer;
  };
  const lent = bindLending();
  return () => {
    prototype.query = plain;
    lent();
  };
}

type Connect = (this: pg.Pool, callback?: (...args: unknown[]) => void) => unknown;

/** Whoever gives a connection back calls who waits for one: that goes on in its own request. */
function bindLending(): () => void {
  const prototype = pg.Pool.prototype as unknown as { connect: Connect };
  const plain = prototype.connect;
  prototype.connect = function bound(callback) {
    return plain.call(this, callback && context.bind(context.active(), callback));
  };
  return () => {
    prototype.connect = plain;
  };
}

/** As a pool of libs/postgres sends its statements. */
const isOwnQuery = (query: unknown): query is { text: string; callback: Callback } =>
  query instanceof pg.Query && "callback" in query && typeof query.callback === "function";

/** Null for what sends itself, as cursors and COPY do: how it ends is not seen here. */
function textOf(query: unknown): string | null {
  if (typeof query === "string") return query;
  if (isOwnQuery(query)) return query.text;
  if (typeof query !== "object" || query === null || "submit" in query) return null;
  return "text" in query && typeof query.text === "string" ? query.text : null;
}

function spanOf(text: string, client: pg.Client): Span {
  const words = text.trim().replace(/\s+/g, " ");
  const operation = (/^\w+/.exec(words)?.[0] ?? "statement").toUpperCase();
  const [, table] = /\b(?:from|into|update) ([a-z_][a-z0-9_.]*)/i.exec(words) ?? [];
  return childSpan(table ? `${operation} ${table}` : operation, {
    "db.system.name": "postgresql",
    "db.operation.name": operation,
    "db.query.text": words.slice(0, MAX_TEXT),
    "server.address": client.host,
    "server.port": client.port,
  });
}
