package machine

import "testing"

func TestAccelerator(t *testing.T) {
	amd, _ := FindBoard("x86_64")
	arm, _ := FindBoard("arm64")
	const (
		plain = "processor\t: 0\nflags\t\t: fpu sse2 nx\n"
		vmx   = "processor\t: 0\nflags\t\t: fpu vmx sse2\n"
		svm   = "processor\t: 0\nflags\t\t: fpu sse2 svm\n"
		near  = "processor\t: 0\nflags\t\t: fpu vmx_misc\nbugs: svm\n"
	)
	for _, test := range []struct {
		name  string
		host  host
		board Board
		want  string
	}{
		{"VT-x", host{"amd64", vmx, true}, amd, "kvm"},
		{"AMD-V", host{"amd64", svm, true}, amd, "kvm"},
		{"device without virtualisation", host{"amd64", plain, true}, amd, "tcg,thread=multi"},
		{"flags that only look alike", host{"amd64", near, true}, amd, "tcg,thread=multi"},
		{"no device", host{"amd64", vmx, false}, amd, "tcg,thread=multi"},
		{"other architecture", host{"amd64", vmx, true}, arm, "tcg,thread=multi"},
		{"ARM64 on ARM64", host{"arm64", "", true}, arm, "kvm"},
		{"x86 on ARM64", host{"arm64", "", true}, amd, "tcg,thread=multi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			accel, cpu := test.host.accelerator(test.board)
			if accel != test.want || (accel == "kvm") != (cpu == "host") {
				t.Errorf("accelerator = %s, %s; want %s", accel, cpu, test.want)
			}
		})
	}
}

func TestFindBoard(t *testing.T) {
	for _, name := range []string{"x86_64", "arm64"} {
		if b, err := FindBoard(name); err != nil || b.Name != name {
			t.Errorf("FindBoard(%s) = %s, %v", name, b.Name, err)
		}
	}
	if b, err := FindBoard("riscv64"); err == nil {
		t.Errorf("FindBoard(riscv64) = %+v; want an error", b)
	}
}
