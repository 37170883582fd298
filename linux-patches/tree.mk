##@ The kernel tree (linux-patches/tree says more)

.PHONY: tree refresh rebase export status audit

tree: ## make the kernel tree, or bring it to the patches on disk
	@linux-patches/tree prepare

refresh: ## write the kernel tree's commits back as patches
	@linux-patches/tree refresh

rebase: ## put the series onto another release (LINUX_SRC= or VERSION=)
	@linux-patches/tree rebase

export: ## write the series to mail, tests folded in (OUT=)
	@linux-patches/tree export

status: ## say where the kernel tree stands
	@linux-patches/tree status

audit: tree ## who still calls iov_iter_get_pages2()? Compare docs/conversion.md
	@linux-patches/audit

##@ Gates (linux-patches/gates says more)

.PHONY: check-tools check-series check-patches check-mutants

check-tools: tree ## test the scripts
	@linux-patches/gates tools

check-series: tree ## test the patches: style, sparse, documents, releases, export
	@linux-patches/gates style static audit docs releases export

check-patches: tree ## each patch alone builds and passes, as does what is exported (by hand: 30 min)
	@linux-patches/gates patches stock

check-mutants: tree ## break the kernel in known ways: do the tests fail?
	@linux-patches/gates mutants
