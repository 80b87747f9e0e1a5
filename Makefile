# Every target sets up .venv itself. Needs Python 3.11-3.13 and make (3.81 is enough).

# Whatever the shell says: some hundred processes of the tests would each compile all that they import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-large dev check docs screenshots lock bench bench-scale compare-rows focus-check scaleout setup-demo setup-test setup-node explorer faults reliability mutants new-listing

demo: setup-demo
	.venv/bin/cmdb demo

# Lint, types and the unit tests, which start nothing: tests/tiers.py finds them. One core has the tests, one the others.
test-fast: setup-test
	@$(MAKE) --no-print-directory --jobs 2 units lint types

# What a part prints comes whole when the part ends, where make can do that (from 4.0 on).
WHOLE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: lint types units generated collected
CHECKS := types lint generated

lint:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports --no-logo
	.venv/bin/sqruff --config .sqruff lint warehouse pipelines/report/queries pipelines/differences/queries pipelines/explorer/queries

types:
	.venv/bin/mypy

# Compiles what the tests import and rewrites their assertions, once for all workers, which would do so each.
collected:
	@found=$$(.venv/bin/python -m pytest --collect-only -qq 2>&1) || { echo "$$found"; exit 1; }

units:
	.venv/bin/python -m pytest -m unit

test: setup-test
	@$(MAKE) --no-print-directory --jobs 2 $(WHOLE) $(CHECKS) collected
	.venv/bin/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

# What does not fit into the time of `make test`: the simulated organisation itself, the report in a browser,
# every way of starting work past the gate, every lie, sixty accounts and their bill, hostile input, the bench.
test-large: setup-test
	.venv/bin/python -m pytest -m "large or property" --hypothesis-profile=many

dev: setup-demo
	.venv/bin/cmdb dev

# Its parts side by side: one core has the types, one the others.
check: setup-test
	@$(MAKE) --no-print-directory --jobs 2 $(WHOLE) $(CHECKS)

generated:
	.venv/bin/python -m resources.release --check
	.venv/bin/python -m tools.docs.query_facts --check
	.venv/bin/python -m tools.docs.contract --check
	.venv/bin/python -m tools.docs.dictionary --check
	.venv/bin/python -m tools.docs.questions --check
	.venv/bin/python -m tools.docs.reference_files --check
	.venv/bin/python -m tools.docs.situations --check
	.venv/bin/python -m tools.docs.operations --check
	.venv/bin/python -m tools.docs.checks --check

# What is generated: the list of files that the release ships, what its queries say, the contract's page and table, the data dictionary, the index of
# questions, the reference files, the table of situations, the read operations, the checks.
docs: setup-test
	.venv/bin/python -m resources.release
	.venv/bin/python -m tools.docs.query_facts
	.venv/bin/python -m tools.docs.contract
	.venv/bin/python -m tools.docs.dictionary
	.venv/bin/python -m tools.docs.questions
	.venv/bin/python -m tools.docs.reference_files
	.venv/bin/python -m tools.docs.situations
	.venv/bin/python -m tools.docs.operations
	.venv/bin/python -m tools.docs.checks

# Drafts of the four places of a new type of resource: make new-listing NAME=ec2_local_gateway CALL=ec2:DescribeLocalGateways
new-listing: setup-test
	@.venv/bin/python -m tools.new_listing "$(NAME)" "$(CALL)"

# Pictures of report, UI and a refused run, with Debian's Chromium: two nights, a few minutes.
screenshots: setup-test
	PYTHONPATH=. .venv/bin/python tests/screenshots.py

# Compiles the pinned sets, for Python 3.11-3.13 on Linux and macOS; uv has to be on the PATH.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra simulator pyproject.toml --output-file requirements/demo.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--constraint requirements/demo.txt pyproject.toml --output-file requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra mcp --constraint requirements/demo.txt pyproject.toml --output-file requirements/mcp.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra notify --constraint requirements/demo.txt pyproject.toml --output-file requirements/notify.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra scaleout --constraint requirements/demo.txt pyproject.toml --output-file requirements/scaleout.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra simulator --extra mcp --extra scaleout --extra dev --constraint requirements/mcp.txt pyproject.toml \
		--output-file requirements/test.txt

# The product beside Cloud Custodian, plain boto3 and bare HTTP on a stub of AWS: minutes, on a machine left alone.
bench: setup-test
	@sh scripts/bench $(BENCH)

# How cost, memory and time grow with accounts, resources and nights; parts and sizes can be chosen.
bench-scale: setup-test
	@.venv/bin/python -m bench.scale $(BENCH)

# Whether this tree publishes the rows that BASE, a commit, does: two nights of each, table for table. Some minutes.
compare-rows: setup-test
	@sh scripts/compare-rows $(BASE)

# The bill of the demo in each version of FOCUS, judged by FinOps' own validator; rules that it does not carry: FOCUS_RULES=DIR
focus-check: setup-demo
	@test -e warehouse/demo/aws_org.duckdb || .venv/bin/cmdb demo --night 1
	@sh scripts/focus-check warehouse/demo/aws_org.duckdb

# Breaks what can break, and keeps the results in .ci/results. A part of it, by words of its names, keeps none:
# make faults CASES="disk and publish"
faults: setup-test
	@mkdir -p .ci/results
	.venv/bin/python -m pytest -m chaos tests/chaos --numprocesses 2 --dist loadgroup \
		$(if $(CASES),-k "$(CASES)",--junit-xml=.ci/results/chaos.xml)

# Workers, the copy in an object store and the lock of two coordinators, on real servers that the tests start themselves.
# Each part is killed at one moment, or at so many: make scaleout SEEDS=20
scaleout: setup-test
	@mkdir -p .ci/results
	.venv/bin/python -m pytest -m scaleout $(if $(SEEDS),--seeds $(SEEDS)) --junit-xml=.ci/results/scaleout.xml

# The page of what JUnit's files in .ci/results say.
reliability: setup-test
	.venv/bin/python -m tools.docs.reliability

# Changes one thing at a time in the rules and sees whether a test notices; what is known is kept, so it can be broken off.
mutants: setup-test
	.venv/bin/python -m tools.mutation $(TARGET)

# Lets the tests ask the published file from Node, Backstage’s validators about its export, and axe about the report; needs node and npm.
setup-node:
	npm install --silent --no-save --no-package-lock --prefix .venv-node @duckdb/node-api@1.5.6-r.1 \
		@backstage/catalog-model@1.10.3 axe-core@4.14.1

# The page of `cmdb explore`, from the packages that explorer/package-lock.json pins with their digests; needs node and npm.
explorer:
	npm ci --silent --no-fund --no-audit --prefix explorer
	cd explorer && node build.mjs ../pipelines/explorer/static

setup-demo:
	@sh scripts/setup demo

setup-test:
	@sh scripts/setup test
