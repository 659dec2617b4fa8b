package web

import (
	"fmt"

	"causeway/appliance/storage"
)

// administrationPages are those of the menu Administration.
func administrationPages() []*page {
	return []*page{
		{path: filesPath, title: "Files", intro: "Files on the volumes of the box, as over SFTP.", parts: []part{
			browsing{},
			uploading{anchor: "upload", title: "Upload", octets: fileMost, then: func(p storage.Path) answer {
				return answer{to: directoryURL(p.Dir()), notice: fmt.Sprintf("%v is on the box", p)}
			}},
		}},
	}
}

// fileMost is the largest file that is taken, in octets: volumes have less room.
const fileMost = 1 << 40
