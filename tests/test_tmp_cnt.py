import collections
from nights import query
def test_x(witnessed_night):
    w=witnessed_night
    print(query(w.database,"select request_count from audit.run"), len(w.calls))
    c=collections.Counter((r.get("role"),r.get("service"),r.get("operation")) for r in w.calls)
    for k,v in sorted(c.items(), key=str): print(k,v)
    print(query(w.database,"select role, split_part(listing,':',1) l, sum(request_count) from audit.collection group by all order by all"))
    for r in w.calls[:12]+w.calls[-6:]: print({k:r.get(k) for k in ("number","role","service","operation","region","status","profile")})
