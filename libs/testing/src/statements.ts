import pg from "pg";

/**
 * The texts of all statements that this process sends to Postgres until `stop`, `begin` and
 * `commit` too: each is a round trip, since the driver waits for its answer. A request's count
 * holds on any machine, where its time does not.
 */
export function watchStatements() {
  const { query } = pg.Client.prototype;
  const texts: string[] = [];
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args as [string | { text?: string }];
    texts.push(typeof first === "string" ? first : String(first.text));
    return Reflect.apply(query, this, args);
  } as typeof query;
  return {
    texts: texts as readonly string[],
    clear() {
      texts.length = 0;
    },
    stop() {
      pg.Client.prototype.query = query;
    },
  };
}
