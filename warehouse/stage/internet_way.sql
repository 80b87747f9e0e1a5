-- What comes through to each way in from the internet: stage.internet_entry with what stage.internet_opening opens to it, of a
-- database its port alone. What is not known of a path keeps nothing out here. Not part of the public interface; read
-- cmdb.finding_exposure.
-- materialized: full
-- key: arn, entry, subnet_id, opening
-- arn: ARN of the interface, the database or the Elastic IP address.
-- entry: The public address; of a database the host name of its endpoint.
-- subnet_id: Subnet; empty where it is not known.
-- opening: Protocol and ports in words, such as tcp 443.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all that the ACL does not name.
-- from_port: First port; for ICMP its first type.
-- to_port: Last port; for ICMP its last type.
-- audience: everybody, wide range, named ranges or own addresses.
-- audience_rank: 1 to 4, the worst first.
-- rule_arns: ARNs of the rules of security groups that open it.
-- cidrs: The ranges that these rules name.
-- is_rule_stale: True where one of these rules is of a response that is not trusted any more.
with ported as (
    select
        way.arn,
        way.entry,
        way.subnet_id,
        if(way.port is null, opening.protocol, 'tcp') as protocol,
        coalesce(way.port, opening.from_port) as from_port,
        coalesce(way.port, opening.to_port) as to_port,
        opening.audience,
        opening.audience_rank,
        opening.rule_arns,
        opening.cidrs,
        opening.is_stale as is_rule_stale
    from stage.internet_entry as way
    inner join stage.internet_opening as opening on way.filter = opening.filter
    where
        way.port is null
        or (opening.protocol in ('tcp', '-1') and way.port between opening.from_port and opening.to_port)
)

select
    arn,
    entry,
    subnet_id,
    case
        when protocol = '-1' then 'all'
        when protocol in ('tcp', 'udp') and from_port = 0 and to_port = 65535 then protocol
        when protocol in ('icmp', 'icmpv6') and from_port = 0 and to_port = 255 then protocol
        when protocol not in ('tcp', 'udp', 'icmp', 'icmpv6') then 'protocol ' || protocol
        when from_port = to_port then protocol || ' ' || from_port
        else protocol || ' ' || from_port || '-' || to_port
    end as opening,
    * exclude (arn, entry, subnet_id)
from ported
-- A rule for all protocols and one for the port may both open a database.
qualify
    row_number() over (
        partition by arn, entry, subnet_id, protocol, from_port order by audience_rank asc, rule_arns asc
    ) = 1
