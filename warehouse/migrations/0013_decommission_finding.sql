-- stage.decommission_finding is a table from now on: as a view its twelve rules were asked three times in one query.
drop view if exists stage.decommission_finding;
