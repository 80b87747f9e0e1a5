-- What lies behind which ports: by these classes cmdb.finding_open_rule distinguishes a web server that is open to the world from
-- a database. A rule is of the class of lowest rank that it opens; of "other" where it opens none of these.
-- Seed: warehouse/ref/port_class.csv, owned by those who look after security.
-- key: port_class, protocol, from_port
-- port_class: Name of the class.
-- rank: The lower, the worse it is that everybody can reach it.
-- protocol: tcp or udp.
-- from_port: First port.
-- to_port: Last port.
-- is_whole: True where a rule has to open the whole range to be of this class, false where one port of it will do.
-- description: What listens there.
select
    port_class,
    rank,
    protocol,
    from_port,
    to_port,
    is_whole,
    description
from
    read_csv(
        getvariable('ref_folder') || '/port_class.csv',
        header = true,
        columns = {
            'port_class': 'VARCHAR',
            'rank': 'INTEGER',
            'protocol': 'VARCHAR',
            'from_port': 'INTEGER',
            'to_port': 'INTEGER',
            'is_whole': 'BOOLEAN',
            'description': 'VARCHAR'
        }
    )
