-- The accounts of which everybody bears what they leave untagged, by ref.shared_cost. Not part of the public interface. It is
-- built by a step that has its evidence, so that a profile which leads elsewhere in a refused run moves no cost.
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
select value as account_id
from ref.shared_cost
where kind = 'account' and regexp_matches(value, '^\d{12}$')
union
-- A role stands for the account that its profile reached last.
select max_by(caller.caller_account_id, caller.checked_at) as account_id
from ref.shared_cost as shared
inner join audit.caller_identity as caller on shared.value = caller.role
where shared.kind = 'account' and caller.caller_account_id is not null
group by caller.role
