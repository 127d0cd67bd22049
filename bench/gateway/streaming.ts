import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Finding, growth } from "../rounds.ts";
import { withGateway } from "./served.ts";

const MIB = 1024 * 1024;
const WARM_UP_BYTES = 64 * MIB;
const CHUNK = Buffer.alloc(64 * 1024, "x");

function* bytes(total: number): Generator<Buffer> {
  for (let sent = 0; sent < total; sent += CHUNK.length) yield CHUNK;
}

/** One upload and one download of this size, and how far the gateway's resident memory grows. */
export async function streaming(totalBytes: number): Promise<Finding[]> {
  return withGateway(
    { MEDVAULT_MAX_UPLOAD_BYTES: String(totalBytes) },
    async ({ harness, gateway, token }) => {
      let received = 0;
      harness.services.files.raw = async (req, res) => {
        if (req.method === "GET")
          return pipeline(Readable.from(bytes(Number(req.headers.range?.slice(6)))), res);
        received = 0;
        for await (const chunk of req) received += (chunk as Buffer).length;
        res.end("{}");
      };
      const call = (method: string, path: string, more: Record<string, string> = {}) =>
        request({
          host: "127.0.0.1",
          port: gateway.port,
          method,
          path,
          headers: { authorization: `Bearer ${token}`, ...more },
        });
      const upload = async (total: number) => {
        const sending = call("POST", "/v1/files");
        const [size] = await Promise.all([sizeOf(sending), pipeline(Readable.from(bytes(total)), sending)]);
        if (size === 0 || received !== total) throw new Error("the upload did not arrive whole");
      };
      const download = async (total: number) => {
        const asking = call("GET", "/v1/files/1/content", { range: `bytes=${total}` });
        asking.end();
        if ((await sizeOf(asking)) !== total) throw new Error("the download did not arrive whole");
      };
      await upload(WARM_UP_BYTES);
      await download(WARM_UP_BYTES);
      const findings: Finding[] = [];
      for (const [name, work] of [
        ["upload", upload],
        ["download", download],
      ] as const) {
        const { grownBytes, seconds } = await growth(
          () => gateway.rssBytes(),
          () => work(totalBytes),
        );
        findings.push({
          name: `${name} through the gateway, ${totalBytes / MIB} MiB, growth of its process`,
          measured: grownBytes / MIB,
          unit: "MiB",
          atMost: 32,
          note: `${(totalBytes / seconds / 1e6).toFixed(0)} MB/s`,
        });
      }
      return findings;
    },
  );
}

async function sizeOf(call: ReturnType<typeof request>): Promise<number> {
  const [res] = (await once(call, "response")) as [IncomingMessage];
  let size = 0;
  for await (const chunk of res) size += (chunk as Buffer).length;
  if (res.statusCode !== 200) throw new Error(`the gateway answered ${res.statusCode}`);
  return size;
}
