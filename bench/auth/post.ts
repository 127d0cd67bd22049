import { Agent, request } from "node:http";
import { ASSERTION_HEADER } from "@medvault/contracts";

const agent = new Agent({ keepAlive: true });

/** One POST of JSON with an assertion made before, over connections that stay; `ms` from call to the answer's end. */
export function post(url: string, assertion: string, body: unknown): Promise<{ status: number; ms: number }> {
  const text = JSON.stringify(body);
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const req = request(url, {
      method: "POST",
      agent,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        [ASSERTION_HEADER]: assertion,
      },
    });
    req.on("error", reject);
    req.on("response", (res) => {
      res.resume();
      res.on("end", () => resolve({ status: res.statusCode ?? 0, ms: performance.now() - since }));
    });
    req.end(text);
  });
}
