import {
  IntegrityView,
  MedicalRecordListQuery,
  MedicalRecordPage,
  MedicalRecordVersions,
  MedicalRecordView,
  NewMedicalRecord,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import { list, read } from "../resources/resource.service.ts";
import * as records from "./record.service.ts";
import { medicalRecords } from "./record.table.ts";

export function medicalRecordRoutes(router: Router, context: Context): void {
  router.post("/v1/patients/:id/records", allow("record:write"), async (req, res) => {
    const input = parse(NewMedicalRecord, req.body);
    send(res, await records.addRecord(context, actorOf(req), idOf(req), input, writeRequestOf(req)));
  });

  router.get("/v1/patients/:id/records", allow("record:read"), async (req, res) => {
    const query = parse(MedicalRecordListQuery, req.query);
    res.json(
      MedicalRecordPage.parse(
        await list(context, actorOf(req), medicalRecords, { ...query, patientId: idOf(req) }),
      ),
    );
  });

  router.get("/v1/records/:id", allow("record:read"), async (req, res) => {
    const { view, rev } = await read(context, actorOf(req), medicalRecords, idOf(req));
    res.set("ETag", etagOf(rev)).json(MedicalRecordView.parse(view));
  });

  router.put("/v1/records/:id", allow("record:write"), async (req, res) => {
    const input = parse(NewMedicalRecord, req.body);
    const request = writeRequestOf(req);
    send(res, await records.reviseRecord(context, actorOf(req), idOf(req), input, ifMatch(req), request));
  });

  router.delete("/v1/records/:id", allow("record:delete"), async (req, res) => {
    await records.hideRecord(context, actorOf(req), idOf(req), ifMatch(req));
    res.status(204).end();
  });

  router.get("/v1/records/:id/versions", allow("record:read"), async (req, res) => {
    const items = await records.listVersions(context, actorOf(req), idOf(req));
    res.json(MedicalRecordVersions.parse({ items }));
  });

  router.get("/v1/records/:id/integrity", allow("record:read"), async (req, res) => {
    res.json(IntegrityView.parse(await records.readIntegrity(context, actorOf(req), idOf(req))));
  });
}
