-- Contract: the keys of indexes that are no more (records 0015). Nothing is computed by them again, here or by anyone who has them.
delete from keys where kind = 'index' and name <> 'patients.national_id';
