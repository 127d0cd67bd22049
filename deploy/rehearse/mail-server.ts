// The clinic's mail server: SMTP over TLS, outside of the cluster; mails become files.
import fs from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";

export interface MailServerOptions {
  readonly address: string;
  readonly dir: string;
  readonly certificate: { cert: string; key: string };
  readonly admits: (from: string) => boolean;
}

const PORT = 465;

export async function startMailServer(options: MailServerOptions): Promise<() => void> {
  const { address, dir, certificate, admits } = options;
  fs.mkdirSync(dir, { recursive: true });
  let count = 0;
  const server = new SMTPServer({
    ...{ secure: true, ...certificate, authOptional: true, disabledCommands: ["AUTH"] },
    onConnect: ({ remoteAddress }, done) => done(admits(remoteAddress) ? null : new Error("not from you")),
    onData: (stream, _session, done) => {
      buffer(stream)
        .then((mail) => {
          count += 1;
          const file = path.join(dir, `${String(Date.now()).padStart(15, "0")}-${count}.eml`);
          fs.writeFileSync(`${file}.partial`, mail.toString("utf8").replaceAll("\r\n", "\n"));
          fs.renameSync(`${file}.partial`, file);
          done();
        })
        .catch(done);
    },
  });
  server.on("error", () => {}); // a client that breaks off
  await new Promise<void>((resolve) => {
    server.listen(PORT, address, resolve);
  });
  return () => server.close();
}
