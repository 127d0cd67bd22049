import {
  NewPatient,
  PatientListQuery,
  PatientPage,
  PatientPatch,
  PatientSearch,
  PatientView,
  UnmaskQuery,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse } from "@medvault/service-kit";
import type { Response, Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import type { Shown } from "../resources/resource.service.ts";
import * as patients from "./patient.service.ts";

export function patientRoutes(router: Router, context: Context): void {
  router.post("/v1/patients", allow("patient:write"), async (req, res) => {
    const input = parse(NewPatient, req.body);
    send(res, await patients.createPatient(context, actorOf(req), input, writeRequestOf(req)));
  });

  router.get("/v1/patients", allow("patient:read"), async (req, res) => {
    const page = await patients.listPatients(context, actorOf(req), parse(PatientListQuery, req.query));
    res.json(PatientPage.parse(page));
  });

  router.post("/v1/patients/search", allow("patient:search"), async (req, res) => {
    const page = await patients.searchPatients(context, actorOf(req), parse(PatientSearch, req.body));
    res.json(PatientPage.parse(page));
  });

  router.get("/v1/patients/me", allow("patient:read"), async (req, res) => {
    const { unmask = [] } = parse(UnmaskQuery, req.query);
    show(res, await patients.readOwnPatient(context, actorOf(req), unmask));
  });

  router.get("/v1/patients/:id", allow("patient:read"), async (req, res) => {
    const { unmask = [] } = parse(UnmaskQuery, req.query);
    show(res, await patients.readPatient(context, actorOf(req), idOf(req), unmask));
  });

  router.patch("/v1/patients/:id", allow("patient:write"), async (req, res) => {
    const patch = parse(PatientPatch, req.body);
    show(res, await patients.updatePatient(context, actorOf(req), idOf(req), patch, ifMatch(req)));
  });
}

function show(res: Response, { view, rev }: Shown<PatientView>): void {
  res.set("ETag", etagOf(rev)).json(PatientView.parse(view));
}
