import { resolved, type Schema } from "../support/openapi.ts";

/** Whatever the parameter is. */
const ANY: readonly unknown[] = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "a\udfff",
  "\u202e\ufeff",
  "💣".repeat(30),
  "A".repeat(7_000),
  "%",
  "null",
  "__proto__",
  "constructor",
  "toString",
  null,
  true,
  [],
  {},
  [""],
];
const TIMES = [
  "0000-01-01",
  "0000-12-31T23:59:59.999Z",
  "-0001-01-01T00:00:00Z",
  "0001-01-01",
  "0001-01-01T00:00:00Z",
  "0001-01-01T00:00:00+23:59", // in UTC before the first year
  "9999-12-31",
  "9999-12-31T23:59:59.999999999Z",
  "9999-12-31T23:59:59.999-23:59", // in UTC after the last
  "10000-01-01T00:00:00Z",
  "+275760-09-13T00:00:00.000Z",
  "+275760-09-13T00:00:00.001Z",
  "2026-02-29",
  "2026-06-31T00:00:00Z",
  "2026-01-01T24:00:00Z",
  "2016-12-31T23:59:60Z",
  "2026-01-01T00:00:00+24:00",
  "2026-01-01T00:00:00+99:99",
  "2026-01-01t00:00:00z",
  "2026-01-01 00:00:00Z",
  "2026-01-01T00:00Z",
  "2026-1-1",
  "2026",
  "2026-01-01T00:00:00.1234567890123456789Z",
  "infinity",
  "-infinity",
  "now",
  "epoch",
  0,
  -1,
  1e20,
];
/** In a URL only plain decimals are numbers. */
const NUMBERS = [
  "-1",
  "0",
  "-0",
  "+1",
  " 1",
  "1 ",
  "1e2",
  "1.0",
  "1.5",
  "0x10",
  "0b1",
  "1_0",
  "١",
  "NaN",
  "Infinity",
  "2147483647",
  "2147483648",
  "9007199254740991",
  "9007199254740993",
  "9223372036854775807",
  "9223372036854775808",
  "1".repeat(400),
  2 ** 31,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e308,
  1.5,
  -1,
];
const IDS = [
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
  "018F4C1E-7A2B-7C3D-8E4F-0123456789AB",
  "{018f4c1e-7a2b-7c3d-8e4f-0123456789ab}",
  "018f4c1e7a2b7c3d8e4f0123456789ab",
  "urn:uuid:018f4c1e-7a2b-7c3d-8e4f-0123456789ab",
  "018f4c1e-7a2b-7c3d-8e4f-0123456789ab ",
  "018f4c1e-7a2b-fc3d-0e4f-0123456789ab",
];
const ADDRESSES = [
  "999.1.1.1",
  "1.2.3",
  "127.1",
  "0x7f.0.0.1",
  "::",
  "::ffff:1.2.3.4",
  "fe80::1%eth0",
  "0.0.0.0/0",
  "1.2.3.4/33",
  "1:2:3:4:5:6:7:8:9",
  "[::1]",
];

/** Numbers as only a lenient parser reads them, and a year that no database has: always 400. */
export const NEVER_TAKEN: ReadonlySet<unknown> = new Set([
  ...["+1", " 1", "1 ", "1e2", "1.5", "0x10", "0b1", "1_0", "١", "NaN", "Infinity", "-0"],
  ...["0000-01-01", "0000-12-31T23:59:59.999Z", "10000-01-01T00:00:00Z", "2026-02-29", "infinity", "now"],
]);

const TIMED = /^(partial-)?date(-time)?$/;
export type Kind = "time" | "number" | "id" | "address" | "text";

/** What a schema takes, as far as edges go. */
export function kindOf(given: Schema, name = ""): Kind {
  const schema = resolved<Schema>(given);
  const parts = ((schema.anyOf ?? schema.oneOf) as Schema[] | undefined) ?? [schema];
  const kinds = parts.map((part): Kind => {
    const { type, format } = resolved<Schema>(part);
    if (TIMED.test(String(format))) return "time";
    if (type === "integer" || type === "number") return "number";
    if (format === "uuid") return "id";
    return name === "ip" ? "address" : "text";
  });
  return kinds.find((kind) => kind !== "text") ?? "text";
}

const OWN: Record<Kind, readonly unknown[]> = {
  time: TIMES,
  number: NUMBERS,
  id: IDS,
  address: ADDRESSES,
  text: [],
};

/** The edges of a kind, and those of any. */
export const edgesOf = (kind: Kind): readonly unknown[] => [...OWN[kind], ...ANY];

/** Every edge there is, for what has no schema: the inside of a cursor. */
export const ALL_EDGES: readonly unknown[] = [...new Set([...Object.values(OWN).flat(), ...ANY])];

/** Copies of a JSON value with one leaf replaced, dropped, or one more beside it. */
export function* mutated(value: unknown, edges: readonly unknown[]): Generator<unknown> {
  yield* edges;
  if (typeof value !== "object" || value === null) return;
  const entries = Object.entries(value);
  const build = (changed: [string, unknown][]) =>
    Array.isArray(value) ? changed.map(([, each]) => each) : Object.fromEntries(changed);
  for (const [at, [key]] of entries.entries()) {
    yield build(entries.filter((_, i) => i !== at));
    for (const edge of edges) yield build(entries.map((entry, i) => (i === at ? [key, edge] : entry)));
  }
  yield build([...entries, ["more", 1]]);
}
