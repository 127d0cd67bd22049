import {
  NewPrescription,
  PrescriptionListQuery,
  PrescriptionPage,
  PrescriptionSearch,
  PrescriptionView,
  ReplacePrescription,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import { list, read, remove } from "../resources/resource.service.ts";
import { prescribe, replacePrescription, searchPrescriptions } from "./prescription.service.ts";
import { prescriptions } from "./prescription.table.ts";

export function prescriptionRoutes(router: Router, context: Context): void {
  router.post("/v1/prescriptions", allow("prescription:write"), async (req, res) => {
    const input = parse(NewPrescription, req.body);
    send(res, await prescribe(context, actorOf(req), input, writeRequestOf(req)));
  });

  router.get("/v1/prescriptions", allow("prescription:read"), async (req, res) => {
    const query = parse(PrescriptionListQuery, req.query);
    res.json(PrescriptionPage.parse(await list(context, actorOf(req), prescriptions, query)));
  });

  router.post("/v1/prescriptions/search", allow("prescription:search"), async (req, res) => {
    const search = parse(PrescriptionSearch, req.body);
    res.json(PrescriptionPage.parse(await searchPrescriptions(context, actorOf(req), search)));
  });

  router.get("/v1/prescriptions/:id", allow("prescription:read"), async (req, res) => {
    const { view, rev } = await read(context, actorOf(req), prescriptions, idOf(req));
    res.set("ETag", etagOf(rev)).json(PrescriptionView.parse(view));
  });

  router.put("/v1/prescriptions/:id", allow("prescription:write"), async (req, res) => {
    const input = parse(ReplacePrescription, req.body);
    const request = writeRequestOf(req);
    send(res, await replacePrescription(context, actorOf(req), idOf(req), input, ifMatch(req), request));
  });

  router.delete("/v1/prescriptions/:id", allow("prescription:delete"), async (req, res) => {
    await remove(context, actorOf(req), prescriptions, idOf(req), ifMatch(req));
    res.status(204).end();
  });
}
