import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

type Value = string | number | Value[] | { [name: string]: Value };

/** One value of the MaxMind DB format 2.0, "Output Data Section": uint32, else double. */
function encode(value: Value): Buffer {
  if (typeof value === "string") return field(2, Buffer.byteLength(value), Buffer.from(value));
  if (typeof value === "number") {
    const isWhole = Number.isInteger(value) && value >= 0;
    const bytes = Buffer.alloc(isWhole ? 4 : 8);
    if (isWhole) bytes.writeUInt32BE(value);
    else bytes.writeDoubleBE(value);
    return field(isWhole ? 6 : 3, bytes.length, bytes);
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

type Node = [Node | Buffer | null, Node | Buffer | null];

/** The bytes of a file that knows these IPv4 networks (`203.0.113.0/24`), none within another. */
function mmdb(places: Readonly<Record<string, Value>>): Buffer {
  const root: Node = [null, null];
  for (const [network, place] of Object.entries(places)) {
    const [address = "", bits = ""] = network.split("/");
    const number = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
    let node = root;
    for (let depth = 0; depth < Number(bits); depth++) {
      const side = Math.floor(number / 2 ** (31 - depth)) % 2 === 1 ? 1 : 0;
      if (depth === Number(bits) - 1) node[side] = encode(place);
      else {
        const next: Node = Array.isArray(node[side]) ? node[side] : [null, null];
        node[side] = next;
        node = next;
      }
    }
  }
  const nodes: Node[] = [root];
  const data: Buffer[] = [];
  for (let at = 0; at < nodes.length; at++)
    for (const child of nodes[at] ?? []) if (Array.isArray(child)) nodes.push(child);
  let dataBytes = 0;
  const records = nodes.map((node) => {
    const record = Buffer.alloc(6);
    for (const [side, child] of node.entries()) {
      let value = nodes.length;
      if (Array.isArray(child)) value = nodes.indexOf(child);
      else if (child) {
        value = nodes.length + 16 + dataBytes;
        dataBytes += child.length;
        data.push(child);
      }
      record.writeUIntBE(value, side * 3, 3);
    }
    return record;
  });
  const metadata = {
    node_count: nodes.length,
    record_size: 24,
    ip_version: 4,
    database_type: "Test-City",
    languages: ["en"],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1,
    description: { en: "of a test" },
  };
  const marker = Buffer.from("abcdef4d61784d696e642e636f6d", "hex"); // \xab\xcd\xefMaxMind.com
  return Buffer.concat([...records, Buffer.alloc(16), ...data, marker, encode(metadata)]);
}

/** A MaxMind file that knows these networks, or has these bytes, in a folder of its own. */
export async function givenMmdb(
  places: Readonly<Record<string, Value>> | Buffer,
): Promise<{ file: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-geoip-"));
  const file = path.join(dir, "test.mmdb");
  await writeFile(file, Buffer.isBuffer(places) ? places : mmdb(places));
  return { file, remove: () => rm(dir, { recursive: true }) };
}
