module example.invalid/cutover-bench-generator

go 1.25
