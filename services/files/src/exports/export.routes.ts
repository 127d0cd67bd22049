import { exportApi } from "@medvault/contracts";
import { callerOf, type Route, route, streamRoute } from "@medvault/service-kit";
import type { Response } from "express";
import type { Context } from "../context.ts";
import { RangeNotSatisfiable } from "../files/file.errors.ts";
import { beginExport, cancelExport, readExport } from "./export.service.ts";
import { openDownload } from "./export-download.service.ts";

export const exportRoutes = (context: Context): Route[] => [
  route(exportApi.begin, ({ actor, req, params, write }) =>
    beginExport(context, callerOf(actor, req), { patientId: params.id, write }),
  ),
  route(exportApi.read, ({ actor, params }) => readExport(context, actor, params.id)),
  streamRoute(exportApi.content, async ({ actor, req, res, params }) => {
    const isHead = req.method === "HEAD";
    // A part of it would be a download that is neither whole nor broken off.
    if (!isHead && req.get("range") !== undefined) throw new RangeNotSatisfiable();
    const { name, sizeBytes, bytes, close } = await openDownload(
      context,
      callerOf(actor, req),
      params.id,
      isHead,
    );
    try {
      res.set({
        "Content-Type": "application/zip",
        "Content-Disposition": `attachment; filename="${name}"`,
        "Content-Length": String(sizeBytes),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
      });
      if (isHead) res.end();
      else await sendEach(res, bytes()).catch(() => res.destroy());
    } finally {
      await close();
    }
  }),
  route(exportApi.remove, async ({ actor, params }) => {
    await cancelExport(context, actor, params.id);
    return {};
  }),
];

/** Sends piece by piece, the next once one has left this process: whether all did is known then. */
async function sendEach(res: Response, pieces: AsyncGenerator<Buffer>): Promise<void> {
  const gone = new Promise<never>((_, reject) => {
    res.once("close", () => reject(new Error("the client went away")));
  });
  gone.catch(() => undefined); // also where nobody waits for it
  for await (const piece of pieces) {
    const written = new Promise<void>((resolve, reject) => {
      res.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    await Promise.race([gone, written]);
  }
  res.end();
}
