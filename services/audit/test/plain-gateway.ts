import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Role } from "@medvault/contracts";
import type { TestAudit } from "./harness.ts";

/** A door to the service whose tokens are names of roles: what the gateway does, without one. */
export async function plainGateway(audit: TestAudit) {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    const role = req.headers.authorization?.replace("Bearer ", "") as Role;
    asked.push(req.url ?? "");
    void audit
      .as(role)
      .get(req.url ?? "")
      .then(({ status, bytes }) => res.writeHead(status).end(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Since the last call. */
    asked: () => asked.splice(0),
    close: () => server.closeAllConnections(),
  };
}

const VERIFIER = new URL("../../../tools/audit-verify.mjs", import.meta.url).pathname;

/** The program as an auditor runs it. */
export async function auditVerify(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [VERIFIER, ...args], { env: { PATH: "/usr/bin", ...env } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, out, err };
}
