"""PartiQL: ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

A statement is parsed (`tokens`, `parse` → `syntax`), its parameters are filled in and its conditions become those of the expressions that every other
operation uses (`values`, `conditions`), its keys are found (`plan`), and it is carried out by the functions behind Query, Scan, PutItem, UpdateItem,
DeleteItem and the transactions, so that semantics, capacity and streams are the same.
(Developer Guide: "PartiQL - a SQL-compatible query language for Amazon DynamoDB".)
"""
