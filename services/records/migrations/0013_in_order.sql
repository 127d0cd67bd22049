-- Expand: a chart is read in pages, by patient and then in the order in which its rows were stored.
create index medical_records_in_order on medical_records (patient_id, id) where hidden_at is null;
create index prescriptions_in_order on prescriptions (patient_id, id);
create index claims_in_order on claims (patient_id, id);
