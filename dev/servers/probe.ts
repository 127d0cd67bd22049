import net from "node:net";

/**
 * Whether a server answers as it should: connects, sends, and looks at what comes back.
 * @param isGood is shown all bytes so far after each arrival
 */
export function answers(
  port: number,
  send: Buffer | string,
  isGood: (bytes: Buffer) => boolean,
  timeoutMs = 1_000,
) {
  return new Promise<boolean>((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    let bytes: Buffer = Buffer.alloc(0);
    const end = (good: boolean) => {
      socket.destroy();
      resolve(good);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.on("connect", () => socket.write(send));
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (isGood(bytes)) end(true);
    });
    socket.on("error", () => end(false));
    socket.on("close", () => resolve(false));
  });
}
