import pg from "pg";
import { remainingMs } from "./deadline.ts";
import type { StatementNames } from "./prepared.ts";

/**
 * A client whose statements end by the deadline of who asks. With `names` it prepares what has
 * values; what has none goes as it is. Cursors and COPY pass untouched.
 */
export function clientClass(names: StatementNames | null): new () => pg.Client {
  return class BoundedClient extends pg.Client {
    // pg's query has many overloads; a text with values is one of them, the rest passes.
    override query = ((...args: unknown[]): unknown => {
      const [text, values, callback] = args;
      const query = super.query as (...args: unknown[]) => unknown;
      if (typeof text !== "string") return query.apply(this, args);
      const name = Array.isArray(values) ? names?.of(text) : undefined;
      const limit = remainingMs();
      if (name === undefined && limit === undefined) return query.apply(this, args);
      const bounded = { name, query_timeout: limit };
      if (typeof callback !== "function") return query.call(this, { ...bounded, text }, values);
      // A pool's statement. As a Query it is not copied, property by property, which took 5 µs.
      return query.call(
        this,
        Object.assign(new pg.Query(text, values as unknown[], callback as () => void), bounded),
      );
    }) as pg.Client["query"];
  };
}
