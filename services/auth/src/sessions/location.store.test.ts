import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openLocations } from "./location.store.ts";

type Value = string | number | Value[] | { [name: string]: Value };

/** One value of the MaxMind DB format 2.0, "Output Data Section"; numbers as uint32. */
function encode(value: Value): Buffer {
  if (typeof value === "string") return field(2, Buffer.byteLength(value), Buffer.from(value));
  if (typeof value === "number") {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return field(6, 4, bytes);
  }
  if (Array.isArray(value)) {
    return Buffer.concat([Buffer.from([value.length, 11 - 7]), ...value.map(encode)]); // an extended type
  }
  const pairs = Object.entries(value).flatMap(([name, each]) => [encode(name), encode(each)]);
  return field(7, pairs.length / 2, Buffer.concat(pairs));
}
function field(type: number, size: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(type << 5) | size]), payload]); // all of ours are under 29
}

/** A file that knows one IPv4 network; every other address leads to nothing. */
function mmdb(network: string, bits: number, place: Value): Buffer {
  const address = network.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const nodes = Array.from({ length: bits }, (_none, depth) => {
    const isLast = depth === bits - 1;
    const next = isLast ? bits + 16 : depth + 1;
    const goesRight = Math.floor(address / 2 ** (31 - depth)) % 2 === 1;
    const record = Buffer.alloc(6);
    record.writeUIntBE(goesRight ? bits : next, 0, 3);
    record.writeUIntBE(goesRight ? next : bits, 3, 3);
    return record;
  });
  const metadata = {
    node_count: bits,
    record_size: 24,
    ip_version: 4,
    database_type: "Test-City",
    languages: ["en"],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1,
    description: { en: "of this test" },
  };
  const marker = Buffer.from("abcdef4d61784d696e642e636f6d", "hex"); // \xab\xcd\xefMaxMind.com
  return Buffer.concat([...nodes, Buffer.alloc(16), encode(place), marker, encode(metadata)]);
}

async function givenFile(bytes: Buffer): Promise<{ file: string } & AsyncDisposable> {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-geoip-"));
  const file = path.join(dir, "test.mmdb");
  await writeFile(file, bytes);
  return { file, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

test("an address has its city and country, and one that the file does not know has none", async () => {
  const place = { city: { names: { en: "Berlin" } }, country: { names: { en: "Germany" } } };
  const given = await givenFile(mmdb("203.0.113.0", 24, place));
  try {
    const locate = await openLocations(given.file);
    expect(locate("203.0.113.77")).toBe("Berlin, Germany");
    for (const ip of ["203.0.114.1", "127.0.0.1", "2001:db8::1", "unknown", ""])
      expect(locate(ip)).toBe(null);
  } finally {
    await given[Symbol.asyncDispose]();
  }
});

test("a file of countries alone tells the country", async () => {
  const given = await givenFile(mmdb("198.51.100.0", 24, { country: { names: { en: "Norway" } } }));
  try {
    expect((await openLocations(given.file))("198.51.100.1")).toBe("Norway");
  } finally {
    await given[Symbol.asyncDispose]();
  }
});

test("a file that is none, or not there, does not boot", async () => {
  const given = await givenFile(Buffer.from("not a database"));
  try {
    await expect(openLocations(given.file)).rejects.toThrow();
    await expect(openLocations(`${given.file}.gone`)).rejects.toThrow();
  } finally {
    await given[Symbol.asyncDispose]();
  }
});
