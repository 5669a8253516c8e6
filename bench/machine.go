package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// Machine is where a run was made, as Linux describes it; elsewhere, some of it is not known.
type Machine struct {
	CPU      string   `json:"cpu"`
	Cores    int      `json:"cores"`
	Memory   string   `json:"memory"`
	OS       string   `json:"os"`
	Files    string   `json:"files"` // the type of the file system that the databases are on
	Load     string   `json:"load"`  // average number of busy threads in the minute before the run
	Versions []string `json:"versions"`
}

func machine(t *testing.T, engines []*engine) Machine {
	m := Machine{
		CPU: systemValue("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: "unknown",
		OS: systemValue("/etc/os-release", "PRETTY_NAME="), Files: fileSystem(os.TempDir()), Load: "unknown",
		Versions: []string{"Go " + strings.TrimPrefix(runtime.Version(), "go")},
	}
	var kilobytes float64
	if _, err := fmt.Sscan(systemValue("/proc/meminfo", "MemTotal:"), &kilobytes); err == nil {
		m.Memory = fmt.Sprintf("%.0f GB", kilobytes*1024/1e9)
	}
	if load, _, found := strings.Cut(systemValue("/proc/loadavg", ""), " "); found {
		m.Load = load
	}
	for _, e := range engines {
		var version string
		bed := e.connect(t, e.copy(t, ""))
		check(t, bed.db.QueryRowContext(t.Context(), e.version).Scan(&version))
		version, _, _ = strings.Cut(version, " ")
		m.Versions = append(m.Versions, e.name+" "+version)
	}
	return m
}

// systemValue is the rest of the first line that begins with key in a file of the system, or "unknown".
func systemValue(file, key string) string {
	text, _ := os.ReadFile(file) // nothing elsewhere
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strings.Trim(strings.TrimSpace(value), ":\" \t")
		}
	}
	return "unknown"
}

// fileSystem is the type of the file system that a folder is on, or "unknown".
func fileSystem(dir string) string {
	mounts, _ := os.ReadFile("/proc/mounts") // nothing elsewhere
	longest, kind := "", "unknown"
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := strings.TrimSuffix(fields[1], "/") + "/"
		if strings.HasPrefix(dir+"/", point) && len(point) >= len(longest) {
			longest, kind = point, fields[2]
		}
	}
	return kind
}
