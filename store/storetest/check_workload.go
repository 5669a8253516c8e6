package storetest

// The group "workload" mixes all operations, so that chance finds cases that no other check has.
func workloadChecks() []check {
	return []check{{"workload", "of random operations agrees with the rules at every step", workload}}
}

func workload(f *fixture) {
	newWalk(f).steps(fewer(1000, 600),
		step{"insert", 26, (*walk).insertSome},
		step{"touch", 16, (*walk).touchSome},
		step{"update", 18, (*walk).updateOne},
		step{"tag", 10, (*walk).tagOne},
		step{"delete", 6, (*walk).deleteOne},
		step{"sweep", 12, (*walk).sweepSome},
		step{"date", 3, (*walk).dateSome},
		step{"list", 14, (*walk).listSome},
		step{"counts", 10, (*walk).countSome},
		step{"record", 4, (*walk).recordOne},
	)
}
