import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PrescriptionPdf, patientApi, prescriptionApi } from "@medvault/contracts";
import { callerOf, type Route, route, streamRoute } from "@medvault/service-kit";
import { inTurn } from "../access/turns.ts";
import type { Context } from "../context.ts";
import { makePdf } from "./document.service.ts";
import { summaryPdf } from "./summary.service.ts";
import { verifyDocument } from "./verification.service.ts";

export const documentRoutes = (context: Context): Route[] => [
  streamRoute(
    prescriptionApi.makePdf,
    inTurn(context, async ({ actor, req, res, params, query, body = {} }) => {
      const { pdf, password } = await makePdf(context, callerOf(actor, req), params.id, body, query.unmask);
      res.set({ "Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff" });
      if (password !== null) {
        res.status(201).json(PrescriptionPdf.parse({ password, pdf: pdf.toString("base64") }));
        return;
      }
      res.setHeaders(new Headers({ "Content-Type": "application/pdf", "Content-Disposition": DISPOSITION }));
      res.end(pdf);
    }),
  ),
  // For the archive that files makes, which is encrypted.
  streamRoute(patientApi.summarise, async ({ actor, req, res, params, query }) => {
    const pieces = await summaryPdf(context, callerOf(actor, req), params.id, query.unmask);
    res.setHeaders(new Headers({ "Content-Type": "application/pdf", "Cache-Control": "private, no-store" }));
    await pipeline(Readable.from(pieces), res);
  }),
  route(prescriptionApi.verify, async ({ actor, body }) => ({
    body: await verifyDocument(context, actor, body.code),
  })),
];

const DISPOSITION = 'attachment; filename="prescription.pdf"';
